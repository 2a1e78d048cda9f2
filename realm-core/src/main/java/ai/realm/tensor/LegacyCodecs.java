package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.i8;
import static ai.realm.tensor.BlockwiseCodec.u32;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Blocks of 32 weights with one scale, and in the `_1` types a minimum. Weight i shares a byte with
/// weight i + 16. See the `block_q*` structs in ggml-common.h.
final class LegacyCodecs {
  private LegacyCodecs() {}

  /// Q4_0: 32 weights in 18 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–17 | low nibbles: weights 0–15; high nibbles: weights 16–31 |
  ///
  /// w = d · (q − 8)
  record Q40() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q4_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int i = 0; i < 16; i++) {
        int q = u8(src, at + 2 + i);
        dst[to + i] = d * ((q & 15) - 8);
        dst[to + 16 + i] = d * ((q >> 4) - 8);
      }
    }
  }

  /// Q4_1: 32 weights in 20 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–3 | minimum m, F16 |
  /// | 4–19 | nibbles as in Q4_0 |
  ///
  /// w = d · q + m
  record Q41() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q4_1;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      float m = half(src, at + 2);
      for (int i = 0; i < 16; i++) {
        int q = u8(src, at + 4 + i);
        dst[to + i] = (q & 15) * d + m;
        dst[to + 16 + i] = (q >> 4) * d + m;
      }
    }
  }

  /// Q5_0: 32 weights in 22 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–5 | fifth bits: bit i is that of weight i |
  /// | 6–21 | nibbles as in Q4_0 |
  ///
  /// w = d · (q − 16)
  record Q50() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q5_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      int high = u32(src, at + 2);
      for (int i = 0; i < 16; i++) {
        int q = u8(src, at + 6 + i);
        dst[to + i] = (fifthBit(high, i, q & 15) - 16) * d;
        dst[to + 16 + i] = (fifthBit(high, i + 16, q >> 4) - 16) * d;
      }
    }
  }

  /// Q5_1: 32 weights in 24 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–3 | minimum m, F16 |
  /// | 4–7 | fifth bits as in Q5_0 |
  /// | 8–23 | nibbles as in Q4_0 |
  ///
  /// w = d · q + m
  record Q51() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q5_1;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      float m = half(src, at + 2);
      int high = u32(src, at + 4);
      for (int i = 0; i < 16; i++) {
        int q = u8(src, at + 8 + i);
        dst[to + i] = fifthBit(high, i, q & 15) * d + m;
        dst[to + 16 + i] = fifthBit(high, i + 16, q >> 4) * d + m;
      }
    }
  }

  /// Q8_0: 32 weights in 34 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–33 | 32 signed bytes q |
  ///
  /// w = d · q
  record Q80() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q8_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int i = 0; i < 32; i++) {
        dst[to + i] = d * i8(src, at + 2 + i);
      }
    }
  }

  private static int fifthBit(int high, int i, int nibble) {
    return nibble | (high >>> i & 1) << 4;
  }
}
