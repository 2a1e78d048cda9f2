package ai.realm.testing.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Models in several files, and sets of files that are none (G22).
final class SplitGgufTest {
  @TempDir private Path folder;

  @BeforeEach
  void writeAModelOfThreeParts() throws IOException {
    write(1, part(0, 3, "a").string("general.architecture", "llama"));
    write(2, part(1, 3, "b"));
    write(3, part(2, 3, "c"));
  }

  private static GgufBuilder part(int no, int count, String tensor) {
    return new GgufBuilder()
        .u16("split.no", no)
        .u16("split.count", count)
        .pair("split.tensors.count", GgufBuilder.I32, new GgufBytes().u32(3))
        .tensor(tensor, GgmlType.F32, new Random(no), 8);
  }

  private Path path(int number) {
    return folder.resolve("m-0000%d-of-00003.gguf".formatted(number));
  }

  private void write(int number, GgufBuilder part) throws IOException {
    Files.write(path(number), part.build());
  }

  private void refused(Path path, String message) {
    assertThatThrownBy(() -> GgufFile.open(path).close())
        .isExactlyInstanceOf(GgufFormatException.class)
        .hasMessageContaining(message)
        .hasMessageContaining("expected")
        .hasMessageContaining("found");
  }

  @Test
  void openingTheFirstPartOpensAll() throws IOException {
    try (GgufFile gguf = GgufFile.open(path(1))) {
      assertThat(gguf.metadata().string("general.architecture")).isEqualTo("llama");
      assertThat(gguf.tensors()).extracting(TensorInfo::name).containsExactly("a", "b", "c");
      assertThat(gguf.tensors()).extracting(TensorInfo::part).containsExactly(0, 1, 2);
      assertThat(gguf.byteSize())
          .isEqualTo(Files.size(path(1)) + Files.size(path(2)) + Files.size(path(3)));
      Random expected = new Random(2);
      byte[] bytes = new byte[32];
      expected.nextBytes(bytes);
      assertThat(gguf.tensor("c").data().asByteBuffer().compareTo(ByteBuffer.wrap(bytes))).isZero();
    }
  }

  @Test
  void namesTheFirstPartWhenAnotherIsOpened() {
    refused(path(2), "expected the first part, m-00001-of-00003.gguf, found part 2 of 3");
  }

  @Test
  void namesTheMissingPart() throws IOException {
    Files.delete(path(3));
    refused(path(1), "m-00003-of-00003.gguf: expected a regular file, found none");
  }

  @Test
  void refusesPartsOutOfOrder() throws IOException {
    write(2, part(2, 3, "c"));
    write(3, part(1, 3, "b"));
    refused(path(1), "m-00002-of-00003.gguf: expected part 2 of 3, found part 3 of 3");
  }

  @Test
  void refusesAPartTwice() throws IOException {
    write(3, part(1, 3, "b"));
    refused(path(1), "m-00003-of-00003.gguf: expected part 3 of 3, found part 2 of 3");
  }

  @Test
  void refusesAPartOfAnotherModel() throws IOException {
    write(2, part(1, 4, "b"));
    refused(path(1), "expected part 2 of 3, found part 2 of 4");
    write(2, new GgufBuilder().tensor("b", GgmlType.F32, new Random(1), 8));
    refused(path(1), "m-00002-of-00003.gguf: key split.no: expected an integer, found none");
  }

  @Test
  void refusesATensorInTwoParts() throws IOException {
    write(3, part(2, 3, "b"));
    refused(path(1), "expected each tensor in one part, found b in two");
  }

  @Test
  void refusesPartsWithTooFewTensors() throws IOException {
    write(1, part(0, 3, "a").pair("x", GgufBuilder.U8, new GgufBytes().u8(1)));
    write(3, new GgufBuilder().u16("split.no", 2).u16("split.count", 3));
    refused(path(1), "expected 3 tensors in 3 parts, found 2");
  }

  @Test
  void refusesNumbersThatMakeNoSense() throws IOException {
    Path renamed = folder.resolve("model.gguf");
    Files.copy(path(1), renamed);
    refused(renamed, "expected a name that ends in -00001-of-00003.gguf");
    write(1, part(3, 3, "a"));
    refused(path(1), "part 4 of 3");
    write(1, new GgufBuilder().string("split.count", "3"));
    refused(path(1), "key split.count: expected an integer, found string");
  }

  @Test
  void onePartIsAModelOfItsOwn() throws IOException {
    Path path = folder.resolve("whole.gguf");
    Files.write(path, new GgufBuilder().u16("split.no", 0).u16("split.count", 1).build());
    try (GgufFile gguf = GgufFile.open(path)) {
      assertThat(gguf.tensors()).isEmpty();
    }
  }
}
