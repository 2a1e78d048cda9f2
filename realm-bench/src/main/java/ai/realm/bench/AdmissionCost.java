package ai.realm.bench;

import ai.realm.runtime.GuestFormatException;
import ai.realm.runtime.GuestTrapException;
import ai.realm.runtime.RealmRuntime;
import java.io.ByteArrayOutputStream;
import java.util.LinkedHashMap;
import java.util.Map;

/// What reading modules costs: hostile ones until they are refused (case W07 of the attack corpus), and the
/// worst that are admitted until they are compiled.
final class AdmissionCost {
  private AdmissionCost() {}

  /// Milliseconds until a module is refused, the worst of some runs, by its kind.
  static Map<String, Double> refusals(RealmRuntime runtime, int runs) {
    Map<String, Double> worst = new LinkedHashMap<>();
    hostile()
        .forEach((name, module) -> {
          double most = 0;
          for (int i = -3; i < runs; i++) {
            long started = System.nanoTime();
            try {
              runtime.loadWasm(module);
              throw new IllegalStateException(name + " was admitted");
            } catch (GuestFormatException e) {
              most = i < 0 ? 0 : Math.max(most, (System.nanoTime() - started) / 1e6);
            }
          }
          worst.put(name, most);
        });
    return worst;
  }

  /// Milliseconds until a module is compiled, by its kind, or until its worker has no heap left for that.
  static Map<String, Double> compilations(RealmRuntime runtime) {
    Map<String, Double> taken = new LinkedHashMap<>();
    atTheBounds()
        .forEach((name, module) -> {
          long started = System.nanoTime();
          String end = "";
          try {
            runtime.loadWasm(module);
          } catch (GuestTrapException e) {
            end = ": " + e.code();
          }
          taken.put(name + end, (System.nanoTime() - started) / 1e6);
        });
    return taken;
  }

  private static Map<String, byte[]> hostile() {
    Map<String, byte[]> modules = new LinkedHashMap<>();
    modules.put("nesting of 40,000", functions(1, nested(40_000)));
    modules.put("nesting of 200,000", functions(1, nested(200_000)));
    modules.put("200,000 functions", functions(200_000, new Bytes().add(0, 0x0b)));
    modules.put("49,999 locals", functions(1, new Bytes().add(1).count(49_999).add(0x7f, 0x0b)));
    modules.put(
        "a br_table of 60,000",
        functions(1, new Bytes().add(0, 0x41, 0, 0x0e).count(60_000).times(60_001, 0).add(0x0b)));
    modules.put("10,000 operands under 13,000 branches", functions(1, operands(10_000, 13_000)));
    modules.put("1,000 bodies of 2,000 locals", functions(1_000, locals(20)));
    modules.put("a module above the limit", new byte[(4 << 20) + 1]);
    return modules;
  }

  private static Map<String, byte[]> atTheBounds() {
    Map<String, byte[]> modules = new LinkedHashMap<>();
    modules.put("10,000 functions", functions(10_000, new Bytes().add(0, 0x0b)));
    modules.put("nesting of 490", functions(1, nested(490)));
    modules.put("four bodies of 2,000 locals over 1,990 blocks", functions(4, locals(1_990)));
    modules.put(
        "four bodies of 128 KiB, too large for the JVM",
        functions(4, new Bytes().add(0).times(43_000, 0x41, 0, 0x1a).add(0x0b)));
    modules.put(
        "four bodies of 4,000 operands under 490 branches", functions(4, operands(4_000, 490)));
    modules.put(
        "four bodies of 4,000 operands that 990 branches drop",
        functions(
            4,
            new Bytes()
                .add(0, 0x02, 0x40)
                .times(4_000, 0x41, 0)
                .times(990, 0x41, 0, 0x0d, 0)
                .add(0, 0x0b, 0x0b)));
    return modules;
  }

  private static Bytes nested(int blocks) {
    return new Bytes().add(0).times(blocks, 2, 0x40).times(blocks + 1, 0x0b);
  }

  private static Bytes locals(int blocks) {
    return new Bytes().add(1).count(2_000).add(0x7f).times(blocks, 2, 0x40, 0x0b).add(0x0b);
  }

  private static Bytes operands(int operands, int branches) {
    Bytes body = new Bytes().add(0).times(operands, 0x41, 0);
    return body.times(branches, 0x02, 0x40, 0x41, 0, 0x0d, 0, 0x0b).add(0x0f, 0x0b);
  }

  /// Functions of type () → (), with the same body each.
  private static byte[] functions(int count, Bytes body) {
    Bytes bodies = new Bytes().count(count);
    for (int i = 0; i < count; i++) {
      bodies.count(body.size()).add(body);
    }
    Bytes module = new Bytes().add(0, 'a', 's', 'm', 1, 0, 0, 0);
    module.section(1, new Bytes().add(1, 0x60, 0, 0));
    module.section(3, new Bytes().count(count).times(count, 0));
    return module.section(10, bodies).out.toByteArray();
  }

  /// The binary format, as far as it is needed.
  private static final class Bytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    int size() {
      return out.size();
    }

    Bytes add(int... bytes) {
      for (int b : bytes) {
        out.write(b);
      }
      return this;
    }

    Bytes add(Bytes other) {
      out.writeBytes(other.out.toByteArray());
      return this;
    }

    Bytes times(int count, int... bytes) {
      for (int i = 0; i < count; i++) {
        add(bytes);
      }
      return this;
    }

    /// An unsigned LEB128 number.
    Bytes count(int value) {
      int left = value;
      while (left >= 128) {
        out.write(left & 127 | 128);
        left >>>= 7;
      }
      out.write(left);
      return this;
    }

    Bytes section(int id, Bytes content) {
      return add(id).count(content.size()).add(content);
    }
  }
}
