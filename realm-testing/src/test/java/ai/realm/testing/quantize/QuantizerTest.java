package ai.realm.testing.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.gguf.TensorInfo;
import ai.realm.quantize.ImportanceMatrix;
import ai.realm.quantize.QuantizationException;
import ai.realm.quantize.QuantizationMix;
import ai.realm.quantize.QuantizationProgress;
import ai.realm.quantize.Quantizer;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.testing.gguf.GgufBytes;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class QuantizerTest {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  @TempDir private Path folder;

  private static void quantize(
      Path source, Path target, QuantizationMix mix, Optional<ImportanceMatrix> importance) {
    try (GgufFile model = GgufFile.open(source)) {
      new Quantizer(mix, 3, true, importance, QuantizationProgress.NONE).quantize(model, target);
    }
  }

  private static Path reference() {
    String reference =
        System.getProperty("realm.reference", System.getenv().getOrDefault("REALM_REFERENCE", ""));
    assertThat(reference).as("REALM_REFERENCE").isNotEmpty();
    return Path.of(reference, "quants", "models");
  }

  @Tag("reference")
  @ParameterizedTest
  @ValueSource(
      strings = {
        "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S",
        "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS", "Q3_K_M", "Q2_K", "TQ2_0"
      })
  void writesTheVeryFileThatLlamaQuantizeWrites(String name) throws IOException {
    Path target = folder.resolve("m.gguf");
    Path base = reference().resolve("base-F32").resolve("model.gguf");
    quantize(base, target, QuantizationMix.of(name), Optional.empty());
    Path expected = reference().resolve(name).resolve("model.gguf");
    assertThat(Files.mismatch(target, expected)).isEqualTo(-1);
  }

  @Tag("reference")
  @ParameterizedTest
  @CsvSource({"q4_0,Q4_0", "q4_k_m,Q4_K_M", "q6_k,Q6_K", "q8_0,Q8_0"})
  void quantizesTheSampleModelAsLlamaQuantizeDoes(String file, String mix) throws IOException {
    Path target = folder.resolve("m.gguf");
    Path models = SampleModel.sharedModels();
    Path source = models.resolve("realm-sample-f16.gguf");
    quantize(source, target, QuantizationMix.of(mix), Optional.empty());
    sameTensors(target, models.resolve("realm-sample-" + file + ".gguf"));
  }

  private static void sameTensors(Path actual, Path expected) {
    try (GgufFile a = GgufFile.open(actual);
        GgufFile e = GgufFile.open(expected)) {
      assertThat(a.tensors()).hasSameSizeAs(e.tensors());
      for (TensorInfo t : e.tensors()) {
        assertThat(a.tensor(t.name()).type()).as(t.name()).isEqualTo(t.type());
        MemorySegment data = a.tensor(t.name()).data();
        assertThat(data.mismatch(e.tensor(t.name()).data())).as(t.name()).isEqualTo(-1);
      }
    }
  }

  /// A small model with every rule's tensors.
  private Path model(int layers, Map<String, GgufValue> more) {
    Path path = folder.resolve("base.gguf");
    GgufWriter writer =
        new GgufWriter(path)
            .metadata("general.architecture", new GgufValue.Str("llama"))
            .metadata("general.file_type", new GgufValue.U32(0))
            .metadata("llama.block_count", new GgufValue.U32(layers))
            .metadata("llama.attention.head_count", new GgufValue.U32(8))
            .metadata("llama.attention.head_count_kv", new GgufValue.U32(2));
    more.forEach(writer::metadata);
    Random random = new Random(1);
    tensor(writer, random, "token_embd.weight", 256, 8);
    tensor(writer, random, "output.weight", 256, 8);
    tensor(writer, random, "output_norm.weight", 256);
    for (int i = 0; i < layers; i++) {
      for (String name : List.of("attn_q", "attn_k", "attn_v", "attn_output", "ffn_down")) {
        tensor(writer, random, "blk." + i + "." + name + ".weight", 256, 2);
      }
      tensor(writer, random, "blk." + i + ".attn_norm.weight", 256);
    }
    writer.write();
    return path;
  }

  private static void tensor(GgufWriter writer, Random random, String name, long... ne) {
    Shape shape = Shape.of(ne);
    MemorySegment data = MemorySegment.ofArray(new byte[(int) (4 * shape.elements())]);
    for (long i = 0; i < shape.elements(); i++) {
      data.set(FLOAT, 4 * i, (float) random.nextGaussian());
    }
    writer.tensor(name, GgmlType.F32, shape, data);
  }

  private Map<String, GgmlType> types(Path file) {
    Map<String, GgmlType> types = new LinkedHashMap<>();
    try (GgufFile gguf = GgufFile.open(file)) {
      gguf.tensors().forEach(t -> types.put(t.name(), t.type()));
    }
    return types;
  }

  @ParameterizedTest
  @EnumSource(QuantizationMix.class)
  void everyMixWritesAFileThatOpensAndSaysWhatItIs(QuantizationMix mix) throws IOException {
    Path imatrix = folder.resolve("imatrix.dat");
    Files.write(imatrix, imatrix(256, "blk.0.attn_q.weight"));
    Optional<ImportanceMatrix> importance =
        mix == QuantizationMix.Q2_K_S
            ? Optional.of(allOf(model(2, Map.of())))
            : Optional.of(ImportanceMatrix.open(imatrix));
    Path target = folder.resolve("m.gguf");
    quantize(model(2, Map.of()), target, mix, importance);
    try (GgufFile gguf = GgufFile.open(target)) {
      assertThat(gguf.metadata().int32("general.file_type")).isEqualTo(mix.fileType());
      assertThat(gguf.tensor("blk.0.attn_norm.weight").type()).isEqualTo(GgmlType.F32);
      assertThat(gguf.tensor("blk.0.attn_q.weight").type()).isEqualTo(mix.type());
      assertThat(gguf.metadata().int32("quantize.imatrix.entries_count")).isPositive();
    }
  }

  private static byte[] imatrix(int cols, String... names) {
    GgufBytes dat = new GgufBytes().u32(names.length);
    for (String name : names) {
      dat.u32(name.length()).raw(name.getBytes(StandardCharsets.UTF_8));
      dat.u32(2).u32(cols);
      for (int i = 0; i < cols; i++) {
        dat.f32(i);
      }
    }
    return dat.u32(7).u32(4).raw(new byte[] {'t', 'e', 'x', 't'}).toByteArray();
  }

  private ImportanceMatrix allOf(Path model) throws IOException {
    List<String> names = new ArrayList<>();
    try (GgufFile gguf = GgufFile.open(model)) {
      gguf.tensors().forEach(t -> names.add(t.name()));
    }
    Path path = folder.resolve("all.dat");
    Files.write(path, imatrix(256, names.toArray(String[]::new)));
    return ImportanceMatrix.open(path);
  }

  @Test
  void moreBitsGoWhereTheRulesSay() {
    Path target = folder.resolve("m.gguf");
    quantize(model(16, Map.of()), target, QuantizationMix.Q4_K_M, Optional.empty());
    Map<String, GgmlType> types = types(target);
    assertThat(types.keySet()).startsWith("output.weight", "output_norm.weight");
    assertThat(types).containsEntry("output.weight", GgmlType.Q6_K);
    assertThat(types).containsEntry("token_embd.weight", GgmlType.Q4_K);
    for (int layer = 0; layer < 16; layer++) {
      GgmlType expected =
          layer < 2 || layer >= 14 || (layer - 2) % 3 == 2 ? GgmlType.Q6_K : GgmlType.Q4_K;
      assertThat(types).containsEntry("blk." + layer + ".attn_v.weight", expected);
      assertThat(types).containsEntry("blk." + layer + ".ffn_down.weight", expected);
    }
  }

  @Test
  void eightExpertsGetMoreBitsInAttention() {
    Path target = folder.resolve("m.gguf");
    Map<String, GgufValue> experts = Map.of("llama.expert_count", new GgufValue.U32(8));
    quantize(model(2, experts), target, QuantizationMix.Q3_K_S, Optional.empty());
    Map<String, GgmlType> types = types(target);
    assertThat(types).containsEntry("blk.0.attn_v.weight", GgmlType.Q8_0);
    assertThat(types).containsEntry("blk.0.attn_k.weight", GgmlType.Q8_0);
    assertThat(types).containsEntry("blk.0.attn_output.weight", GgmlType.Q5_K);
    assertThat(types).containsEntry("blk.0.attn_q.weight", GgmlType.Q3_K);
  }

  @Test
  void rowsThatAreNoMultipleOfABlockGetASmallerOne() {
    Path path = folder.resolve("odd.gguf");
    GgufWriter writer =
        new GgufWriter(path).metadata("general.architecture", new GgufValue.Str("llama"));
    tensor(writer, new Random(1), "a.weight", 288, 2);
    tensor(writer, new Random(1), "b.weight", 40, 2);
    writer.write();
    Path target = folder.resolve("m.gguf");
    Map<QuantizationMix, GgmlType> smaller =
        Map.of(
            QuantizationMix.Q2_K, GgmlType.IQ4_NL,
            QuantizationMix.Q4_K_S, GgmlType.Q5_0,
            QuantizationMix.Q5_K_S, GgmlType.Q5_1,
            QuantizationMix.Q6_K, GgmlType.Q8_0,
            QuantizationMix.TQ2_0, GgmlType.Q4_0);
    smaller.forEach((mix, type) -> {
      quantize(path, target, mix, Optional.empty());
      assertThat(types(target))
          .containsEntry("a.weight", type)
          .containsEntry("b.weight", GgmlType.F16);
    });
  }

  @Test
  void expertsHaveImportancesOfTheirOwn() throws IOException {
    Path path = folder.resolve("experts.gguf");
    GgufWriter writer =
        new GgufWriter(path)
            .metadata("general.architecture", new GgufValue.Str("llama"))
            .metadata("llama.block_count", new GgufValue.U32(1))
            .metadata("llama.expert_count", new GgufValue.U32(2));
    tensor(writer, new Random(1), "blk.0.ffn_down_exps.weight", 256, 2, 2);
    writer.write();
    Path dat = folder.resolve("i.dat");
    Files.write(dat, imatrix(512, "blk.0.ffn_down_exps.weight"));
    Path target = folder.resolve("m.gguf");
    quantize(path, target, QuantizationMix.Q4_K_S, Optional.of(ImportanceMatrix.open(dat)));
    assertThat(types(target)).containsEntry("blk.0.ffn_down_exps.weight", GgmlType.Q4_K);
    Files.write(dat, imatrix(256, "blk.0.ffn_down_exps.weight"));
    ImportanceMatrix small = ImportanceMatrix.open(dat);
    assertThatThrownBy(() -> quantize(path, target, QuantizationMix.Q4_K_S, Optional.of(small)))
        .isInstanceOf(QuantizationException.class)
        .hasMessageContaining("values of blk.0.ffn_down_exps.weight: expected 512, found 256");
  }

  @Test
  void progressCountsEveryWeightOnce() {
    List<QuantizationProgress.Step> steps = new ArrayList<>();
    Path target = folder.resolve("m.gguf");
    try (GgufFile model = GgufFile.open(model(2, Map.of()))) {
      new Quantizer(QuantizationMix.Q8_0, 2, false, Optional.empty(), steps::add)
          .quantize(model, target);
    }
    assertThat(steps.getLast().doneWeights()).isEqualTo(steps.getLast().totalWeights());
    assertThat(steps.getLast().tensor()).isEqualTo(steps.getLast().tensors());
    assertThat(steps).isSortedAccordingTo((a, b) -> Long.compare(a.doneWeights(), b.doneWeights()));
  }

  @Test
  void quantizingAFileOntoItselfReplacesItAtTheEnd() {
    Path path = model(2, Map.of());
    quantize(path, path, QuantizationMix.Q4_0, Optional.empty());
    assertThat(types(path)).containsEntry("blk.1.attn_q.weight", GgmlType.Q4_0);
  }

  @Test
  void quantizingTwiceMustBeAllowed() {
    Path target = folder.resolve("m.gguf");
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      Quantizer quantizer =
          new Quantizer(
              QuantizationMix.Q4_0, 2, false, Optional.empty(), QuantizationProgress.NONE);
      assertThatThrownBy(() -> quantizer.quantize(model, target))
          .isInstanceOf(QuantizationException.class)
          .hasMessageContaining("expected F32, F16 or BF16, found Q8_0");
    }
    assertThat(target).doesNotExist();
    quantize(SampleModel.path(), target, QuantizationMix.Q4_0, Optional.empty());
    assertThat(target).exists();
  }

  @Test
  void weightsThatAreNoNumbersAreRefusedAndNothingIsWritten() throws IOException {
    Path path = folder.resolve("nan.gguf");
    MemorySegment data = MemorySegment.ofArray(new byte[4 * 512]);
    data.set(FLOAT, 4 * 300, Float.NaN);
    new GgufWriter(path)
        .metadata("general.architecture", new GgufValue.Str("llama"))
        .tensor("a.weight", GgmlType.F32, Shape.of(256, 2), data)
        .write();
    Path target = folder.resolve("m.gguf");
    assertThatThrownBy(() -> quantize(path, target, QuantizationMix.Q4_K_S, Optional.empty()))
        .isInstanceOf(QuantizationException.class)
        .hasMessage("tensor a.weight, row 1, column 44: expected finite weights, found NaN");
    data.set(FLOAT, 4 * 300, 1e30f);
    new GgufWriter(path)
        .metadata("general.architecture", new GgufValue.Str("llama"))
        .tensor("a.weight", GgmlType.F32, Shape.of(256, 2), data)
        .write();
    assertThatThrownBy(() -> quantize(path, target, QuantizationMix.Q8_0, Optional.empty()))
        .isInstanceOf(QuantizationException.class)
        .hasMessageContaining("expected weights in the range of Q8_0");
    try (var left = Files.list(folder)) {
      assertThat(left).containsExactly(path);
    }
  }

  @Test
  void sourceThatShrinksMeanwhileIsAnErrorAndNothingIsWritten() throws IOException {
    Path path = model(8, Map.of());
    Path target = folder.resolve("m.gguf");
    try (GgufFile model = GgufFile.open(path)) {
      try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
        channel.truncate(4096);
      }
      Quantizer quantizer =
          new Quantizer(
              QuantizationMix.Q8_0, 2, false, Optional.empty(), QuantizationProgress.NONE);
      assertThatThrownBy(() -> quantizer.quantize(model, target))
          .isInstanceOf(RealmException.class)
          .hasMessageContaining("expected");
    }
    try (var left = Files.list(folder)) {
      assertThat(left).containsExactly(path);
    }
  }

  @Test
  void lowestMixNeedsAnImportanceMatrix() {
    Path model = model(2, Map.of());
    Path target = folder.resolve("m.gguf");
    assertThatThrownBy(() -> quantize(model, target, QuantizationMix.Q2_K_S, Optional.empty()))
        .isInstanceOf(QuantizationException.class)
        .hasMessageContaining("expected an importance matrix for Q2_K_S");
  }

  @Test
  void namesOfMixesAreFoundInAnyCase() {
    assertThat(QuantizationMix.of("q4_k_m")).isEqualTo(QuantizationMix.Q4_K_M);
    assertThat(QuantizationMix.of("Q4_K")).isEqualTo(QuantizationMix.Q4_K_M);
    assertThatThrownBy(() -> QuantizationMix.of("Q9"))
        .isInstanceOf(QuantizationException.class)
        .hasMessageContaining("expected one of F32, F16")
        .hasMessageContaining("found Q9");
  }

  @Test
  void importanceMatrixIsReadAndItsLiesAreRefused() throws IOException {
    Path path = folder.resolve("i.dat");
    byte[] whole = imatrix(8, "a", "b");
    Files.write(path, whole);
    ImportanceMatrix matrix = ImportanceMatrix.open(path);
    assertThat(matrix.size()).isEqualTo(2);
    assertThat(matrix.chunks()).isEqualTo(7);
    assertThat(matrix.text()).isEqualTo("text");
    for (int n = 0; n < whole.length - 16; n++) {
      Files.write(path, Arrays.copyOf(whole, n));
      assertThatThrownBy(() -> ImportanceMatrix.open(path))
          .as("cut at %d", n)
          .isInstanceOf(GgufFormatException.class)
          .hasMessageContaining("expected")
          .hasMessageContaining("found");
    }
    Files.write(path, new GgufBytes().u32(-1).u32(0).toByteArray());
    assertThatThrownBy(() -> ImportanceMatrix.open(path))
        .hasMessageContaining("entries at offset 0");
    byte[] infinite = whole.clone();
    infinite[4 + 4 + 1 + 8 + 3] = 0x7f;
    infinite[4 + 4 + 1 + 8 + 2] = (byte) 0x80;
    Files.write(path, infinite);
    assertThatThrownBy(() -> ImportanceMatrix.open(path))
        .hasMessageContaining("values of a: expected finite numbers, found Infinity");
    assertThatThrownBy(() -> ImportanceMatrix.open(folder)).isInstanceOf(GgufFormatException.class);
  }

  @Test
  void importanceMatrixInGgufFormIsRead() {
    Path path = folder.resolve("imatrix.gguf");
    GgufWriter writer =
        new GgufWriter(path)
            .metadata("general.type", new GgufValue.Str("imatrix"))
            .metadata("imatrix.chunk_count", new GgufValue.U32(3));
    tensor(writer, new Random(1), "a.in_sum2", 8, 2);
    tensor(writer, new Random(1), "a.counts", 1, 2);
    writer.write();
    ImportanceMatrix matrix = ImportanceMatrix.open(path);
    assertThat(matrix.size()).isEqualTo(1);
    assertThat(matrix.chunks()).isEqualTo(3);
  }
}
