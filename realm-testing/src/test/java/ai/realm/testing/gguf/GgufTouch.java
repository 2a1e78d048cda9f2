package ai.realm.testing.gguf;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Reads every value, and both ends of the data of every tensor: what an open file promises.
final class GgufTouch {
  private GgufTouch() {}

  static void everything(GgufFile gguf) {
    GgufMetadata metadata = gguf.metadata();
    long read = 0;
    for (String key : metadata.keys()) {
      GgufValue value = metadata.find(key).orElseThrow();
      if (value instanceof GgufValue.Arr(GgufArray array)) {
        read += elements(array);
      } else if (value instanceof GgufValue.Str text) {
        read += text.value().length();
      }
    }
    for (var info : gguf.tensors()) {
      Tensor tensor = gguf.tensor(info.name());
      MemorySegment data = tensor.data();
      read += data.get(ValueLayout.JAVA_BYTE, 0);
      read += data.get(ValueLayout.JAVA_BYTE, data.byteSize() - 1);
    }
    if (read == Long.MIN_VALUE) {
      throw new AssertionError("cannot be; it keeps the reads from being left out");
    }
  }

  private static long elements(GgufArray array) {
    long read = 0;
    for (int i = 0; i < array.size(); i++) {
      if (array.isStrings()) {
        read += array.string(i).length();
      } else if (array.isNumbers()) {
        read += array.integer(i);
      } else {
        read += elements(array.array(i));
      }
    }
    return read;
  }
}
