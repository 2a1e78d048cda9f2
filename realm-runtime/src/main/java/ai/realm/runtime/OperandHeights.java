package ai.realm.runtime;

/// How many values lie on the operand stack of a function body, instruction by instruction: what a compiler
/// keeps for each branch target besides the locals. Types are left to the engine's validation; where code
/// takes more than its block has, the height stays at the block's begin, so that it is never below what a
/// valid body has.
final class OperandHeights {
  private final int[] begins;
  private final int[] parameters;
  private final int[] results;
  private int depth;
  private int height;
  private int most;

  /// @param nesting the most blocks within each other, the body among them
  OperandHeights(int nesting) {
    begins = new int[nesting];
    parameters = new int[nesting];
    results = new int[nesting];
  }

  /// Begins a body.
  void reset() {
    depth = 0;
    height = 0;
    most = 0;
    open(0, 0);
  }

  /// An instruction takes values and leaves some.
  void replace(int taken, int left) {
    height = Math.max(begins[depth - 1], height - taken) + left;
    most = Math.max(most, height);
  }

  /// A block begins, with so many parameters from the stack.
  void open(int taken, int left) {
    begins[depth] = Math.max(depth == 0 ? 0 : begins[depth - 1], height - taken);
    parameters[depth] = taken;
    results[depth] = left;
    depth++;
    again();
  }

  /// The other half of the block begins.
  void again() {
    height = begins[depth - 1] + parameters[depth - 1];
    most = Math.max(most, height);
  }

  /// The block ends.
  void close() {
    depth--;
    height = begins[depth] + results[depth];
    most = Math.max(most, height);
  }

  /// Nothing comes here: what follows finds an empty block.
  void unreachable() {
    height = begins[depth - 1];
  }

  /// Blocks that are open, the body among them.
  int depth() {
    return depth;
  }

  /// The most values that lay there in this body.
  int most() {
    return most;
  }
}
