package ai.realm.testing.gguf;

import ai.realm.tensor.GgmlType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// A small GGUF file as bytes. Without further ado it is well-formed; each setter can make one field
/// lie. What is random comes from a seed.
public final class GgufBuilder {
  /// Type ids of metadata values, as in gguf.h.
  public static final int U8 = 0;

  /// A 16-bit unsigned number.
  public static final int U16 = 2;

  /// A 32-bit unsigned number.
  public static final int U32 = 4;

  /// A 32-bit signed number.
  public static final int I32 = 5;

  /// An IEEE single.
  public static final int F32 = 6;

  /// A byte that is 0 or 1.
  public static final int BOOL = 7;

  /// A length and UTF-8.
  public static final int STRING = 8;

  /// An element type, a count and the elements.
  public static final int ARRAY = 9;

  private final List<byte[]> pairs = new ArrayList<>();
  private final List<byte[]> tensors = new ArrayList<>();
  private final GgufBytes data = new GgufBytes();
  private int magic = 0x46554747;
  private int version = 3;
  private int alignment = 32;
  private long extraTensors;
  private long extraPairs;
  private int missingBytes;

  /// A model with a value of every kind and tensors of three types, a few KB; the same for the same
  /// seed.
  public static GgufBuilder sample(long seed) {
    Random random = new Random(seed);
    GgufBuilder b =
        new GgufBuilder()
            .string("general.architecture", "llama")
            .string("general.name", "sample " + seed)
            .u32("llama.block_count", 1)
            .pair("llama.rope.freq_base", F32, new GgufBytes().f32(10_000))
            .pair("sample.u8", U8, new GgufBytes().u8(200))
            .pair("sample.i8", 1, new GgufBytes().u8(-3))
            .pair("sample.u16", U16, new GgufBytes().u16(60_000))
            .pair("sample.i16", 3, new GgufBytes().u16(-300))
            .pair("sample.i32", I32, new GgufBytes().u32(-70_000))
            .pair("sample.bool", BOOL, new GgufBytes().u8(1))
            .pair("sample.u64", 10, new GgufBytes().u64(1L << 40))
            .pair("sample.i64", 11, new GgufBytes().u64(-(1L << 40)))
            .pair("sample.f64", 12, new GgufBytes().u64(Double.doubleToLongBits(0.1)))
            .strings("tokenizer.ggml.tokens", List.of("<unk>", "<s>", "</s>", "▁the", "é", ""));
    GgufBytes scores = new GgufBytes().u32(F32).u64(6);
    for (int i = 0; i < 6; i++) {
      scores.f32(-random.nextFloat());
    }
    b.pair("tokenizer.ggml.scores", ARRAY, scores);
    return b.tensor("token_embd.weight", GgmlType.F32, random, 8, 6)
        .tensor("blk.0.attn_norm.weight", GgmlType.F16, random, 8)
        .tensor("blk.0.ffn_up.weight", GgmlType.Q8_0, random, 32, 3)
        .tensor("output.weight", GgmlType.Q4_K, random, 256, 2);
  }

  /// The first four bytes.
  public GgufBuilder magic(int value) {
    magic = value;
    return this;
  }

  /// The version that the header claims.
  public GgufBuilder version(int value) {
    version = value;
    return this;
  }

  /// What the header says beyond the tensors that there are.
  public GgufBuilder extraTensors(long n) {
    extraTensors = n;
    return this;
  }

  /// What the header says beyond the pairs that there are.
  public GgufBuilder extraPairs(long n) {
    extraPairs = n;
    return this;
  }

  /// How many bytes to leave out at the end.
  public GgufBuilder missingBytes(int n) {
    missingBytes = n;
    return this;
  }

  /// Where data is really aligned; the key is not written.
  public GgufBuilder alignment(int value) {
    alignment = value;
    return this;
  }

  /// A string.
  public GgufBuilder string(String key, String value) {
    return pair(key, STRING, new GgufBytes().string(value));
  }

  /// A 32-bit number.
  public GgufBuilder u32(String key, long value) {
    return pair(key, U32, new GgufBytes().u32(value));
  }

  /// A 16-bit number.
  public GgufBuilder u16(String key, int value) {
    return pair(key, U16, new GgufBytes().u16(value));
  }

  /// An array of strings.
  public GgufBuilder strings(String key, List<String> values) {
    GgufBytes array = new GgufBytes().u32(STRING).u64(values.size());
    for (String value : values) {
      array.string(value);
    }
    return pair(key, ARRAY, array);
  }

  /// A key, a type and the bytes of a value, which need not fit it.
  public GgufBuilder pair(String key, int type, GgufBytes value) {
    return rawPair(new GgufBytes().string(key).u32(type).raw(value.toByteArray()));
  }

  /// The bytes of a pair.
  public GgufBuilder rawPair(GgufBytes pair) {
    pairs.add(pair.toByteArray());
    return this;
  }

  /// A tensor of random bits at the next free place.
  public GgufBuilder tensor(String name, GgmlType type, Random random, long... ne) {
    long elements = 1;
    for (long n : ne) {
      elements *= n;
    }
    byte[] bytes = new byte[(int) type.byteSize(elements)];
    random.nextBytes(bytes);
    data.align(alignment);
    entry(name, ne, type.id(), data.size());
    data.raw(bytes);
    return this;
  }

  /// An entry of the directory, which need not have data.
  public GgufBuilder entry(String name, long[] ne, long type, long offset) {
    GgufBytes entry = new GgufBytes().string(name).u32(ne.length);
    for (long n : ne) {
      entry.u64(n);
    }
    return rawEntry(entry.u32(type).u64(offset));
  }

  /// The bytes of an entry of the directory.
  public GgufBuilder rawEntry(GgufBytes entry) {
    tensors.add(entry.toByteArray());
    return this;
  }

  /// The file up to the data: header, metadata, directory.
  public byte[] directory() {
    GgufBytes file = new GgufBytes().u32(magic).u32(version);
    file.u64(tensors.size() + extraTensors).u64(pairs.size() + extraPairs);
    for (byte[] pair : pairs) {
      file.raw(pair);
    }
    for (byte[] tensor : tensors) {
      file.raw(tensor);
    }
    return file.toByteArray();
  }

  /// The file.
  public byte[] build() {
    GgufBytes file = new GgufBytes().raw(directory()).align(alignment).raw(data.toByteArray());
    byte[] bytes = file.toByteArray();
    return missingBytes == 0
        ? bytes
        : Arrays.copyOf(bytes, Math.max(0, bytes.length - missingBytes));
  }
}
