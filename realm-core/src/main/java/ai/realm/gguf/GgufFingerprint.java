package ai.realm.gguf;

import ai.realm.digest.Sha256;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.TreeSet;

/// A SHA-256 that tells one model file from another without reading all of it: metadata, the directory of
/// tensors, and 4 KiB from the begin, the middle and the end of each tensor. Files that differ in training,
/// quantization or settings have different ones; it does not detect a change of single weights elsewhere.
public final class GgufFingerprint {
  /// Bytes of a fingerprint.
  public static final int BYTES = 32;

  private static final long SAMPLE = 4096;

  private GgufFingerprint() {}

  /// The fingerprint of an open file.
  public static byte[] of(GgufFile file) {
    MessageDigest digest = Sha256.begin();
    for (String key : new TreeSet<>(file.metadata().keys())) {
      add(digest, key);
      file.metadata().find(key).ifPresent(value -> add(digest, value));
    }
    for (TensorInfo info : file.tensors()) {
      add(digest, "%s %s %s".formatted(info.name(), info.type(), info.shape()));
      MemorySegment data = file.tensor(info.name()).data();
      long size = data.byteSize();
      long sample = Math.min(SAMPLE, size);
      for (long at : new long[] {0, (size - sample) / 2, size - sample}) {
        digest.update(data.asSlice(at, sample).asByteBuffer());
      }
    }
    return digest.digest();
  }

  private static void add(MessageDigest digest, GgufValue value) {
    add(digest, value.typeName());
    switch (value) {
      case GgufValue.Arr array -> digest.update(array.value().data());
      case GgufValue.Str string -> add(digest, string.value());
      case GgufValue.Whole whole -> add(digest, whole.toString());
      case GgufValue.F32 number -> add(digest, number.toString());
      case GgufValue.F64 number -> add(digest, number.toString());
      case GgufValue.Bool bool -> add(digest, bool.toString());
    }
  }

  /// With its length before it, so that no two lists of texts give the same bytes.
  private static void add(MessageDigest digest, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    digest.update(ByteBuffer.allocate(4).putInt(0, bytes.length));
    digest.update(bytes);
  }
}
