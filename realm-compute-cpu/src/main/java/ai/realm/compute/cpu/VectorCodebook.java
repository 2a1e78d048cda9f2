package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// IQ4_NL, IQ4_XS and MXFP4: runs of 32 weights whose 4-bit quants are indices into a table of 16
/// values; 16 bytes of quants as in Q4_0. See `block_iq4_nl`, `block_iq4_xs` and `block_mxfp4` in
/// ggml-common.h.
///
/// ```
/// IQ4_NL  F16 scale, 16 bytes
/// MXFP4   power of two (E8M0), 16 bytes
/// IQ4_XS  F16 scale, 16 bits and 4 bytes of 6-bit scales address by 32, 8 runs of 16 bytes
/// ```
final class VectorCodebook extends VectorUnpacked {
  private static final int RUN = 32;
  private static final int RUN_BYTES = 16;
  private static final int WORDS = 4;
  private static final float[] IQ4 = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };
  private static final float[] MXFP4 = {
    0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6
  };

  private final GgmlType type;
  private final int runs;
  private final int header;

  /// Bits of the table's floats.
  private final int[] table = new int[16];

  private VectorCodebook(GgmlType type) {
    super(type);
    this.type = type;
    runs = type.blockSize() / RUN;
    header = type.blockBytes() - runs * RUN_BYTES;
    float[] values = type == GgmlType.MXFP4 ? MXFP4 : IQ4;
    for (int i = 0; i < table.length; i++) {
      table[i] = Float.floatToRawIntBits(values[i]);
    }
  }

  /// The kernel of a type; through dequantized rows where a table does not fit two vectors.
  static VectorKernel of(GgmlType type) {
    return Lanes.COUNT >= 8 ? new VectorCodebook(type) : new VectorDequantized(type);
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    for (int run = 0; run < cols / RUN; run++) {
      long block = address + (long) (run / runs) * type.blockBytes();
      for (int r = 0; r < Lanes.COUNT; r++) {
        scratch.columnScales[r] = scale(block + Math.min(r, rows - 1) * rowBytes, run % runs);
      }
      long quants = block + header + (long) (run % runs) * RUN_BYTES;
      transpose(quants, rowBytes, rows, WORDS, scratch.words, 0);
      long to = panelOffset + (long) run * RUN * PANEL_STRIDE;
      for (int i = 0; i < RUN; i++) {
        int word = i % RUN_BYTES / 4 * Lanes.COUNT;
        int shift = 8 * (i % 4) + i / RUN_BYTES * 4;
        look(scratch, word, shift, table, to + (long) i * PANEL_STRIDE);
      }
    }
  }

  private float scale(long block, int run) {
    return switch (type) {
      case IQ4_NL -> Lanes.half(Lanes.MEMORY, block);
      case MXFP4 -> {
        int exponent = Byte.toUnsignedInt(Lanes.MEMORY.get(ValueLayout.JAVA_BYTE, block));
        yield Float.intBitsToFloat(exponent == 0 ? 1 << 22 : exponent << 23);
      }
      default -> {
        int high = Lanes.MEMORY.get(Lanes.SHORT, block + 2) >>> 2 * run & 3;
        int low =
            Lanes.MEMORY.get(ValueLayout.JAVA_BYTE, block + 4 + run / 2) >>> 4 * (run % 2) & 15;
        yield Lanes.half(Lanes.MEMORY, block) * ((high << 4 | low) - 32);
      }
    };
  }

  /// One column: looks up the 4 bits at `shift` of each lane.
  private static void look(Scratch scratch, int word, int shift, int[] table, long to) {
    IntVector index =
        IntVector.fromArray(Lanes.INTS, scratch.words, word)
            .lanewise(VectorOperators.LSHR, shift)
            .and(15);
    FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, scratch.columnScales, 0);
    if (Lanes.COUNT >= 16) {
      index
          .selectFrom(IntVector.fromArray(Lanes.INTS, table, 0))
          .reinterpretAsFloats()
          .mul(scale)
          .intoMemorySegment(scratch.panel, to, Lanes.ORDER);
    } else {
      IntVector low = index.and(7).selectFrom(IntVector.fromArray(Lanes.INTS, table, 0));
      IntVector high =
          index.and(7).selectFrom(IntVector.fromArray(Lanes.INTS, table, 16 - Lanes.COUNT));
      low.blend(high, index.compare(VectorOperators.GE, 8))
          .reinterpretAsFloats()
          .mul(scale)
          .intoMemorySegment(scratch.panel, to, Lanes.ORDER);
    }
  }
}
