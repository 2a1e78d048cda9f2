package ai.realm.gguf;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The key-value pairs of a GGUF file, in the file's order. A required getter names the key, the type
/// it expected and what the file has; integer getters take any integer type whose value fits.
public final class GgufMetadata {
  private final Map<String, GgufValue> values;

  private GgufMetadata(Map<String, GgufValue> values) {
    this.values = values;
  }

  /// Metadata from a map; its order is kept.
  public static GgufMetadata of(Map<String, GgufValue> values) {
    return new GgufMetadata(new LinkedHashMap<>(values));
  }

  /// The keys, in the file's order.
  public Set<String> keys() {
    return Collections.unmodifiableSet(values.keySet());
  }

  /// Whether the file has `key`.
  public boolean contains(String key) {
    return values.containsKey(key);
  }

  /// The value of `key`, whatever its type.
  public Optional<GgufValue> find(String key) {
    return Optional.ofNullable(values.get(key));
  }

  /// The string at `key`.
  public String string(String key) {
    GgufValue v = require(key, "a string");
    if (v instanceof GgufValue.Str s) {
      return s.value();
    }
    throw wrongType(key, "a string", v);
  }

  /// The string at `key`, or `absent` when the file has none.
  public String string(String key, String absent) {
    return contains(key) ? string(key) : absent;
  }

  /// The integer at `key`.
  public long integer(String key) {
    GgufValue v = require(key, "an integer");
    if (!(v instanceof GgufValue.Whole whole)) {
      throw wrongType(key, "an integer", v);
    }
    if (v instanceof GgufValue.U64 u && u.value() < 0) {
      throw new GgufFormatException(
          "key %s: expected an integer below 2^63, found %s"
              .formatted(key, Long.toUnsignedString(u.value())));
    }
    return whole.toLong();
  }

  /// The integer at `key`, which must fit 31 bits and not be negative.
  public int int32(String key) {
    long v = integer(key);
    if (v < 0 || v > Integer.MAX_VALUE) {
      throw new GgufFormatException(
          "key %s: expected 0 to %d, found %d".formatted(key, Integer.MAX_VALUE, v));
    }
    return (int) v;
  }

  /// The same, or `absent` when the file has none.
  public int int32(String key, int absent) {
    return contains(key) ? int32(key) : absent;
  }

  /// The floating-point number at `key`.
  public float float32(String key) {
    GgufValue v = require(key, "a float");
    if (v instanceof GgufValue.F32 f) {
      return f.value();
    }
    if (v instanceof GgufValue.F64 f) {
      return (float) f.value();
    }
    throw wrongType(key, "a float", v);
  }

  /// The same, or `absent` when the file has none.
  public float float32(String key, float absent) {
    return contains(key) ? float32(key) : absent;
  }

  /// The boolean at `key`.
  public boolean bool(String key) {
    GgufValue v = require(key, "a bool");
    if (v instanceof GgufValue.Bool b) {
      return b.value();
    }
    throw wrongType(key, "a bool", v);
  }

  /// The same, or `absent` when the file has none.
  public boolean bool(String key, boolean absent) {
    return contains(key) ? bool(key) : absent;
  }

  /// The array at `key`.
  public GgufArray array(String key) {
    GgufValue v = require(key, "an array");
    if (v instanceof GgufValue.Arr a) {
      return a.value();
    }
    throw wrongType(key, "an array", v);
  }

  /// The array of strings at `key`, each decoded when asked for.
  public List<String> strings(String key) {
    GgufArray a = array(key);
    if (!a.isStrings()) {
      throw wrongType(key, "an array of strings", values.get(key));
    }
    return a.strings();
  }

  /// The array of numbers at `key` as floats.
  public float[] floats(String key) {
    return numbers(key).floats();
  }

  /// The array of integers at `key`, each of which must fit 32 bits.
  public int[] ints(String key) {
    GgufArray a = array(key);
    if (!a.isIntegers()) {
      throw wrongType(key, "an array of integers", values.get(key));
    }
    int[] ints = a.ints();
    for (int i = 0; i < ints.length; i++) {
      if (ints[i] != a.integer(i)) {
        throw new GgufFormatException(
            "key %s, element %d: expected an integer of 32 bits, found %d"
                .formatted(key, i, a.integer(i)));
      }
    }
    return ints;
  }

  private GgufArray numbers(String key) {
    GgufArray a = array(key);
    if (!a.isNumbers()) {
      throw wrongType(key, "an array of numbers", values.get(key));
    }
    return a;
  }

  private GgufValue require(String key, String expected) {
    GgufValue v = values.get(key);
    if (v == null) {
      throw new GgufFormatException("key %s: expected %s, found none".formatted(key, expected));
    }
    return v;
  }

  private static GgufFormatException wrongType(
      String key, String expected, @Nullable GgufValue found) {
    return new GgufFormatException(
        "key %s: expected %s, found %s"
            .formatted(key, expected, found == null ? "none" : found.typeName()));
  }
}
