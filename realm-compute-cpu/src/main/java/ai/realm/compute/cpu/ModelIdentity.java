package ai.realm.compute.cpu;

import ai.realm.compute.WeightsFile;
import ai.realm.digest.Sha256;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;

/// Which model packed weights were made of.
///
/// What the file system says changes with every write and every rename, its time of change even where
/// the time of modification was restored. The samples see what lies in the file itself: another file
/// that a copy or a clock gave the same times. Reading all of a model would cost what packing costs.
///
/// @param stamps size and times of every file of the model, as text
/// @param digest SHA-256 over the stamps, the tensor directory, and the first, middle and last
///     [#SAMPLE_BYTES] of every tensor, in hexadecimal
record ModelIdentity(String stamps, String digest) {
  private static final int SAMPLE_BYTES = 4096;

  /// Of an open file, as it was when it was opened.
  static ModelIdentity of(WeightsFile file) {
    MessageDigest sha = Sha256.begin();
    text(sha, file.stamp());
    for (Tensor tensor : file.tensors()) {
      text(sha, tensor.name());
      text(sha, tensor.type().name());
      for (int i = 0; i < Shape.MAX_DIMENSIONS; i++) {
        number(sha, tensor.shape().ne(i));
      }
      MemorySegment data = tensor.data();
      long last = Math.max(0, data.byteSize() - SAMPLE_BYTES);
      sample(sha, data, 0);
      sample(sha, data, last / 2);
      sample(sha, data, last);
    }
    return new ModelIdentity(file.stamp(), HexFormat.of().formatHex(sha.digest()));
  }

  private static void sample(MessageDigest sha, MemorySegment data, long from) {
    byte[] bytes = new byte[(int) Math.min(SAMPLE_BYTES, data.byteSize() - from)];
    MemorySegment.copy(data, ValueLayout.JAVA_BYTE, from, bytes, 0, bytes.length);
    sha.update(bytes);
  }

  private static void text(MessageDigest sha, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    number(sha, bytes.length);
    sha.update(bytes);
  }

  private static void number(MessageDigest sha, long number) {
    sha.update(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(number).array());
  }
}
