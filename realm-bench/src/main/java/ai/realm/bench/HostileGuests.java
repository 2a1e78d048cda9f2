package ai.realm.bench;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// Guests that do harm: their `load_model` answers 1, and `generate` does it.
final class HostileGuests {
  private HostileGuests() {}

  /// Spins until it is stopped.
  static byte[] spinner() {
    return looping("");
  }

  /// Asks for memory without end.
  static byte[] allocator() {
    return looping("410140001a");
  }

  /// Traps at once; guests of other numbers are other modules.
  static byte[] trapping(int number) {
    return module(List.of(bytes("41%02x1a000b".formatted(number & 63))));
  }

  /// A guest whose `generate` does `body` for ever.
  private static byte[] looping(String body) {
    return module(List.of(bytes("0340" + body + "0c000b41000b")));
  }

  /// Much to compile, never the same.
  static byte[] bomb(long seed) {
    List<byte[]> functions = new ArrayList<>();
    functions.add(bytes("41000b"));
    for (int f = 0; f < 2000; f++) {
      String step = "41%02x1a".formatted((seed + f) & 63);
      functions.add(bytes(step.repeat(150) + "41000b"));
    }
    return module(functions);
  }

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex);
  }

  /// `load_model` answers 1; `generate` is the first of the functions.
  private static byte[] module(List<byte[]> functions) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(bytes("0061736d01000000"));
    section(out, 1, bytes("0260000" + "17f60017f017f"));
    ByteArrayOutputStream types = new ByteArrayOutputStream();
    ByteArrayOutputStream code = new ByteArrayOutputStream();
    unsigned(types, functions.size() + 1);
    types.write(0);
    unsigned(code, functions.size() + 1);
    body(code, bytes("41010b"));
    for (byte[] function : functions) {
      types.write(1);
      body(code, function);
    }
    section(out, 3, types.toByteArray());
    section(out, 5, bytes("010101e807"));
    ByteArrayOutputStream exports = new ByteArrayOutputStream();
    exports.write(2);
    export(exports, "load_model", 0);
    export(exports, "generate", 1);
    section(out, 7, exports.toByteArray());
    section(out, 10, code.toByteArray());
    return out.toByteArray();
  }

  private static void body(ByteArrayOutputStream to, byte[] instructions) {
    unsigned(to, instructions.length + 1);
    to.write(0);
    to.writeBytes(instructions);
  }

  private static void export(ByteArrayOutputStream to, String name, int function) {
    to.write(name.length());
    to.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
    to.write(0);
    to.write(function);
  }

  private static void section(ByteArrayOutputStream to, int id, byte[] content) {
    to.write(id);
    unsigned(to, content.length);
    to.writeBytes(content);
  }

  private static void unsigned(ByteArrayOutputStream to, int value) {
    int left = value;
    while (left >= 128) {
      to.write(left & 127 | 128);
      left >>>= 7;
    }
    to.write(left);
  }
}
