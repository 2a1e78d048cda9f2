package ai.realm.compute.cpu;

import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A weight matrix repacked into panels of 16 rows; panel.h has the layouts. Rows are looked up in the
/// tensor as it lies in the file, through its scalar codec: a truncated file is then an error and not
/// the end of the process.
///
/// A matrix whose panels are not yet made is packed at its first product: an embedding table that is
/// only looked up never is.
final class PackedWeights implements WeightMatrix {
  private static final int PANEL = 16;

  private final Tensor tensor;
  private final GgmlType packedType;
  private @Nullable Panels panels;
  private ReadAhead.@Nullable Plan ahead;
  private boolean closed;

  /// The packed copy: memory of its own, or a part of a mapped file.
  ///
  /// @param release ends the use of the memory
  record Panels(MemorySegment segment, Runnable release) {
    static Panels of(Arena arena, MemorySegment segment) {
      return new Panels(segment, arena::close);
    }
  }

  /// @param packedType the type of the panels: the tensor's, or Q8_0 or F32 for one without kernels
  PackedWeights(Tensor tensor, GgmlType packedType) {
    if (tensor.shape().rows() > Integer.MAX_VALUE || tensor.shape().cols() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "tensor %s: expected fewer than 2^31 rows and columns, found %s"
              .formatted(tensor.name(), tensor.shape()));
    }
    this.tensor = tensor;
    this.packedType = packedType;
  }

  Tensor tensor() {
    return tensor;
  }

  /// Type of the panels.
  GgmlType packedType() {
    return packedType;
  }

  /// Address of the panels, or 0 where they are not made yet.
  long address() {
    if (closed) {
      throw new IllegalStateException("tensor " + name() + ": used after it was closed");
    }
    Panels packed = panels;
    return packed == null ? 0 : packed.segment().address();
  }

  /// Number of panels, made or not.
  int panels() {
    return Math.ceilDiv(rows(), PANEL);
  }

  /// What threads fetch that wait while this matrix is the first of a product.
  ReadAhead.Plan ahead(int threads) {
    ReadAhead.Plan plan = ahead;
    if (plan == null) {
      plan = new ReadAhead.Plan(threads);
      ahead = plan;
    }
    return plan;
  }

  /// The packed copy, or null where it is not made yet.
  @Nullable Panels packed() {
    return panels;
  }

  void panels(Panels packed) {
    panels = packed;
  }

  @Override
  public String name() {
    return tensor.name();
  }

  @Override
  public int rows() {
    return (int) tensor.shape().rows();
  }

  @Override
  public int cols() {
    return (int) tensor.shape().cols();
  }

  @Override
  public GgmlType type() {
    return tensor.type();
  }

  @Override
  public void close() {
    closed = true;
    Panels packed = panels;
    if (packed != null) {
      panels = null;
      packed.release().run();
    }
  }
}
