package ai.realm.testing.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class GgufFileTest {
  @TempDir private Path folder;

  private Path file(String name, byte[] bytes) throws IOException {
    return Files.write(folder.resolve(name), bytes);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void readsEveryKindOfValue(int version) throws IOException {
    Path path = file("m.gguf", GgufBuilder.sample(1).version(version).build());
    try (GgufFile gguf = GgufFile.open(path)) {
      GgufMetadata m = gguf.metadata();
      assertThat(gguf.version()).isEqualTo(version);
      assertThat(gguf.path()).isEqualTo(path);
      assertThat(gguf.byteSize()).isEqualTo(Files.size(path));
      assertThat(m.keys()).startsWith("general.architecture", "general.name");
      assertThat(m.string("general.architecture")).isEqualTo("llama");
      assertThat(m.int32("llama.block_count")).isEqualTo(1);
      assertThat(m.float32("llama.rope.freq_base")).isEqualTo(10_000f);
      assertThat(m.integer("sample.u8")).isEqualTo(200);
      assertThat(m.integer("sample.i8")).isEqualTo(-3);
      assertThat(m.integer("sample.u16")).isEqualTo(60_000);
      assertThat(m.integer("sample.i16")).isEqualTo(-300);
      assertThat(m.integer("sample.i32")).isEqualTo(-70_000);
      assertThat(m.bool("sample.bool")).isTrue();
      assertThat(m.integer("sample.u64")).isEqualTo(1L << 40);
      assertThat(m.integer("sample.i64")).isEqualTo(-(1L << 40));
      assertThat(m.float32("sample.f64")).isEqualTo(0.1f);
      assertThat(m.strings("tokenizer.ggml.tokens"))
          .containsExactly("<unk>", "<s>", "</s>", "▁the", "é", "");
      assertThat(m.floats("tokenizer.ggml.scores")).hasSize(6);
    }
  }

  @Test
  void tensorsAreViewsOfTheFile() throws IOException {
    byte[] bytes = GgufBuilder.sample(2).build();
    try (GgufFile gguf = GgufFile.open(file("m.gguf", bytes))) {
      assertThat(gguf.tensors()).hasSize(4);
      var info = gguf.tensors().get(2);
      var tensor = gguf.tensor("blk.0.ffn_up.weight");
      assertThat(tensor.type()).isEqualTo(GgmlType.Q8_0);
      assertThat(tensor.shape()).isEqualTo(Shape.of(32, 3));
      assertThat(info.offset() % 32).isZero();
      byte[] expected = new byte[3 * 34];
      System.arraycopy(bytes, (int) info.offset(), expected, 0, expected.length);
      assertThat(tensor.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(expected);
      assertThat(gguf.findTensor("nothing")).isEmpty();
      assertThatThrownBy(() -> gguf.tensor("nothing"))
          .isInstanceOf(GgufFormatException.class)
          .hasMessageContaining("nothing");
    }
  }

  @Test
  void accessAfterCloseThrowsRatherThanReadsFreedMemory() throws IOException {
    GgufFile gguf = GgufFile.open(file("m.gguf", GgufBuilder.sample(3).build()));
    MemorySegment data = gguf.tensor("output.weight").data();
    List<String> tokens = gguf.metadata().strings("tokenizer.ggml.tokens");
    gguf.close();
    assertThatThrownBy(() -> data.get(ValueLayout.JAVA_BYTE, 0))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> tokens.get(1)).isInstanceOf(IllegalStateException.class);
    gguf.close();
  }

  @Test
  void copiedModelStaysWhatItWasWhateverHappensToTheFile() throws IOException {
    byte[] bytes = GgufBuilder.sample(9).build();
    Path path = file("m.gguf", bytes);
    try (GgufFile gguf = GgufFile.openCopied(path)) {
      Files.write(path, new byte[10]);
      Files.delete(path);
      for (TensorInfo t : gguf.tensors()) {
        byte[] expected =
            Arrays.copyOfRange(bytes, (int) t.offset(), (int) (t.offset() + t.byteSize()));
        assertThat(gguf.tensor(t.name()).data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(expected);
      }
      assertThat(gguf.metadata().strings("tokenizer.ggml.tokens")).hasSize(6);
    }
    Path text = file("t.gguf", new byte[100]);
    assertThatThrownBy(() -> GgufFile.openCopied(text))
        .isInstanceOf(GgufFormatException.class)
        .hasMessageContaining("magic at offset 0");
  }

  @Test
  void gettersNameTheKeyTheTypeExpectedAndTheTypeFound() throws IOException {
    try (GgufFile gguf = GgufFile.open(file("m.gguf", GgufBuilder.sample(4).build()))) {
      GgufMetadata m = gguf.metadata();
      assertThatThrownBy(() -> m.string("llama.block_count"))
          .isInstanceOf(GgufFormatException.class)
          .hasMessage("key llama.block_count: expected a string, found u32");
      assertThatThrownBy(() -> m.integer("general.name"))
          .hasMessage("key general.name: expected an integer, found string");
      assertThatThrownBy(() -> m.float32("general.name"))
          .hasMessage("key general.name: expected a float, found string");
      assertThatThrownBy(() -> m.bool("sample.u8"))
          .hasMessage("key sample.u8: expected a bool, found u8");
      assertThatThrownBy(() -> m.int32("sample.u64"))
          .hasMessage("key sample.u64: expected 0 to 2147483647, found 1099511627776");
      assertThatThrownBy(() -> m.strings("tokenizer.ggml.scores"))
          .hasMessage(
              "key tokenizer.ggml.scores: expected an array of strings, found array of f32");
      assertThatThrownBy(() -> m.ints("tokenizer.ggml.scores"))
          .hasMessage(
              "key tokenizer.ggml.scores: expected an array of integers, found array of f32");
      assertThatThrownBy(() -> m.floats("tokenizer.ggml.tokens"))
          .hasMessageContaining("expected an array of numbers, found array of string");
      assertThatThrownBy(() -> m.array("general.name")).hasMessageContaining("expected an array");
      assertThatThrownBy(() -> m.string("absent"))
          .hasMessage("key absent: expected a string, found none");
      assertThat(m.string("absent", "x")).isEqualTo("x");
      assertThat(m.int32("absent", 7)).isEqualTo(7);
      assertThat(m.float32("absent", 0.5f)).isEqualTo(0.5f);
      assertThat(m.bool("absent", true)).isTrue();
    }
  }

  @Test
  void vocabularyOf150000TokensOpensWithoutBloatingTheHeap() throws IOException {
    List<String> tokens = new ArrayList<>();
    for (int i = 0; i < 150_000; i++) {
      tokens.add("token " + i);
    }
    Path path = file("m.gguf", new GgufBuilder().strings("tokenizer.ggml.tokens", tokens).build());
    Footprint footprint = Footprint.of(() -> GgufFile.open(path).close());
    assertThat(footprint.heapBytes()).isLessThan(2 << 20);
    try (GgufFile gguf = GgufFile.open(path)) {
      List<String> read = gguf.metadata().strings("tokenizer.ggml.tokens");
      assertThat(read).hasSize(150_000);
      assertThat(read.get(149_999)).isEqualTo("token 149999");
      GgufArray array = gguf.metadata().array("tokenizer.ggml.tokens");
      byte[] text = new byte[array.stringLength(77)];
      array.copyString(77, text, 0);
      assertThat(new String(text, StandardCharsets.UTF_8)).isEqualTo("token 77");
      assertThat(array.stringBytes(78).byteSize()).isEqualTo(8);
    }
  }

  @Test
  void longStringsStayInTheFileUntilAskedFor() throws IOException {
    String text = "é".repeat(4 << 20);
    Path path =
        file("m.gguf", new GgufBuilder().string("tokenizer.huggingface.json", text).build());
    Footprint footprint = Footprint.of(() -> GgufFile.open(path).close());
    assertThat(footprint.heapBytes()).isLessThan(1 << 20);
    try (GgufFile gguf = GgufFile.open(path)) {
      assertThat(gguf.metadata().string("tokenizer.huggingface.json")).isEqualTo(text);
    }
  }

  @Test
  void nestedArraysKeepTheirStructure() throws IOException {
    GgufBytes nested = new GgufBytes().u32(GgufBuilder.ARRAY).u64(2);
    nested.u32(GgufBuilder.U8).u64(2).u8(1).u8(2);
    nested.u32(GgufBuilder.STRING).u64(1).string("x");
    Path path = file("m.gguf", new GgufBuilder().pair("a", GgufBuilder.ARRAY, nested).build());
    try (GgufFile gguf = GgufFile.open(path)) {
      GgufArray a = gguf.metadata().array("a");
      assertThat(a.array(0).ints()).containsExactly(1, 2);
      assertThat(a.array(1).strings()).containsExactly("x");
    }
  }

  @Test
  void readsTheSampleModel() {
    try (GgufFile gguf = GgufFile.open(SampleModel.path())) {
      assertThat(gguf.metadata().string("general.architecture")).isEqualTo("llama");
      assertThat(gguf.metadata().strings("tokenizer.ggml.tokens")).hasSize(1792);
      assertThat(gguf.tensor("token_embd.weight").shape().ne(1)).isEqualTo(1792);
    }
  }

  @Test
  void linkToAModelOpens() throws IOException {
    Path model = file("m.gguf", GgufBuilder.sample(5).build());
    Path link = Files.createSymbolicLink(folder.resolve("link.gguf"), model);
    try (GgufFile gguf = GgufFile.open(link)) {
      assertThat(gguf.tensors()).hasSize(4);
    }
  }

  @Test
  void writtenFilesReadBackAsTheyWere() throws IOException {
    Path source = file("m.gguf", GgufBuilder.sample(6).build());
    Path copy = folder.resolve("copy.gguf");
    try (GgufFile gguf = GgufFile.open(source)) {
      GgufWriter writer = new GgufWriter(copy);
      for (String key : gguf.metadata().keys()) {
        writer.metadata(key, gguf.metadata().find(key).orElseThrow());
      }
      gguf.tensors().forEach(t -> writer.tensor(gguf.tensor(t.name())));
      writer.write();
    }
    byte[] expected = Files.readAllBytes(source);
    byte[] actual = Files.readAllBytes(copy);
    assertThat(actual).startsWith(expected);
    assertThat(actual.length - expected.length).isLessThan(32);
    try (var left = Files.list(folder)) {
      assertThat(left).hasSize(2);
    }
  }

  @Test
  void sampleModelReadBackAndWrittenIsTheSameFile() throws IOException {
    Path copy = folder.resolve("copy.gguf");
    try (GgufFile gguf = GgufFile.open(SampleModel.path())) {
      GgufWriter writer = new GgufWriter(copy);
      for (String key : gguf.metadata().keys()) {
        writer.metadata(key, gguf.metadata().find(key).orElseThrow());
      }
      gguf.tensors().forEach(t -> writer.tensor(gguf.tensor(t.name())));
      writer.write();
    }
    assertThat(Files.mismatch(SampleModel.path(), copy)).isEqualTo(-1);
  }

  @Test
  void valuesMadeInMemoryAreWritten() {
    Path path = folder.resolve("m.gguf");
    new GgufWriter(path)
        .metadata("general.alignment", new GgufValue.U32(64))
        .metadata("strings", new GgufValue.Arr(GgufArray.ofStrings(List.of("a", "", "ßü"))))
        .metadata("floats", new GgufValue.Arr(GgufArray.ofFloats(1, -2.5f)))
        .metadata("ints", new GgufValue.Arr(GgufArray.ofInts(3, -4)))
        .tensor("t", GgmlType.F32, Shape.of(3), MemorySegment.ofArray(new byte[12]))
        .tensor("u", GgmlType.F32, Shape.of(3), MemorySegment.ofArray(new byte[12]))
        .write();
    try (GgufFile gguf = GgufFile.open(path)) {
      assertThat(gguf.metadata().strings("strings")).containsExactly("a", "", "ßü");
      assertThat(gguf.metadata().floats("floats")).containsExactly(1, -2.5f);
      assertThat(gguf.metadata().ints("ints")).containsExactly(3, -4);
      assertThat(gguf.tensors().get(1).offset() % 64).isZero();
    }
  }

  @Test
  void failedWriteLeavesTheOldFileAndNothingElse() throws IOException {
    Path path = file("m.gguf", GgufBuilder.sample(7).build());
    byte[] before = Files.readAllBytes(path);
    GgufWriter shortData =
        new GgufWriter(path)
            .tensor("t", GgmlType.F32, Shape.of(3), MemorySegment.ofArray(new byte[8]));
    assertThatThrownBy(shortData::write).hasMessage("tensor t: expected 12 bytes, found 8");
    GgufWriter nowhere = new GgufWriter(folder.resolve("no/such/folder/m.gguf"));
    assertThatThrownBy(nowhere::write).hasMessageContaining("expected to write it");
    assertThat(Files.readAllBytes(path)).isEqualTo(before);
    try (var left = Files.list(folder)) {
      assertThat(left).containsExactly(path);
    }
  }

  @Test
  void dataBeyondFourGigabytesAndTensorsBeyondTwoAreReached() throws IOException {
    long big = 3L << 30;
    Path path = folder.resolve("big.gguf");
    byte[] directory =
        new GgufBuilder()
            .entry("a", new long[] {1L << 15, big >> 15}, GgmlType.I8.id(), 0)
            .entry("b", new long[] {1L << 15, big >> 15}, GgmlType.I8.id(), big)
            .entry("c", new long[] {4}, GgmlType.I8.id(), 2 * big)
            .directory();
    long data = (directory.length + 31) / 32 * 32;
    try (FileChannel channel =
        FileChannel.open(
            path,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.SPARSE,
            StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(directory), 0);
      channel.write(ByteBuffer.wrap(new byte[] {5}), data + big - 1);
      channel.write(ByteBuffer.wrap(new byte[] {6}), data + 2 * big - 1);
      channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), data + 2 * big);
    }
    try (GgufFile gguf = GgufFile.open(path)) {
      assertThat(gguf.byteSize()).isEqualTo(data + 2 * big + 4);
      assertThat(gguf.tensor("a").data().get(ValueLayout.JAVA_BYTE, big - 1)).isEqualTo((byte) 5);
      assertThat(gguf.tensor("b").data().get(ValueLayout.JAVA_BYTE, big - 1)).isEqualTo((byte) 6);
      assertThat(gguf.tensor("b").rows((big >> 15) - 1, big >> 15).data().byteSize())
          .isEqualTo(1L << 15);
      assertThat(gguf.tensor("c").data().toArray(ValueLayout.JAVA_BYTE))
          .containsExactly(1, 2, 3, 4);
    }
  }

  @Test
  void piecesFromOffHeapMemoryAreWritten() {
    Path path = folder.resolve("m.gguf");
    byte[] bytes = new byte[1 << 20];
    new Random(8).nextBytes(bytes);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment piece = arena.allocate(1 << 10);
      new GgufWriter(path)
          .tensor(
              "t",
              GgmlType.I8,
              Shape.of(1 << 20),
              out -> {
                for (int from = 0; from < bytes.length; from += 1 << 10) {
                  MemorySegment.copy(bytes, from, piece, ValueLayout.JAVA_BYTE, 0, 1 << 10);
                  out.accept(piece);
                }
              })
          .write();
    }
    try (GgufFile gguf = GgufFile.open(path)) {
      assertThat(gguf.tensor("t").data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
    }
  }
}
