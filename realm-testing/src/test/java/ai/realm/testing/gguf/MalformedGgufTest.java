package ai.realm.testing.gguf;

import static ai.realm.testing.gguf.GgufBuilder.ARRAY;
import static ai.realm.testing.gguf.GgufBuilder.BOOL;
import static ai.realm.testing.gguf.GgufBuilder.STRING;
import static ai.realm.testing.gguf.GgufBuilder.U32;
import static ai.realm.testing.gguf.GgufBuilder.U8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.tensor.GgmlType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Files that lie (G01–G15, G23, G26): a [GgufFormatException] that names the field, where it is, what
/// was expected and what was found, soon and without large allocations.
final class MalformedGgufTest {
  /// What claims absurd sizes must not make the reader work for them. The goal is 100 ms of time; twenty times
  /// that in CPU time is no noise of a machine but work without bound.
  private static final long MAX_CPU_MILLIS = 2000;

  private static final long MAX_HEAP_BYTES = 16 << 20;

  /// Lengths and counts that no file has.
  private static final List<Long> ABSURD =
      List.of(1L << 31, 1L << 32, 1L << 62, Long.MAX_VALUE, Long.MIN_VALUE, -1L);

  private static final long[] ROW = {256};

  @TempDir private Path folder;

  private Path file(byte[] bytes) throws IOException {
    return Files.write(folder.resolve("m.gguf"), bytes);
  }

  private static GgufFormatException refusal(Path path) {
    Throwable[] thrown = new Throwable[1];
    Footprint footprint = Footprint.of(() -> thrown[0] = catchThrowable(() -> open(path)));
    assertThat(thrown[0]).isExactlyInstanceOf(GgufFormatException.class);
    GgufFormatException refusal = (GgufFormatException) thrown[0];
    assertThat(refusal.code()).isEqualTo("MODEL_INVALID");
    assertThat(refusal).hasMessageContaining("expected").hasMessageContaining("found");
    assertThat(refusal.getMessage().length()).as("message").isLessThan(100_000);
    assertThat(footprint.cpuMillis()).as("CPU milliseconds").isLessThan(MAX_CPU_MILLIS);
    assertThat(footprint.heapBytes()).as("heap").isLessThan(MAX_HEAP_BYTES);
    return refusal;
  }

  private static void open(Path path) {
    GgufFile.open(path).close();
  }

  private static Arguments lie(String name, String message, GgufBuilder builder) {
    return Arguments.of(name, message, builder.build());
  }

  static final List<Arguments> LIES = lies();

  private static List<Arguments> lies() {
    List<Arguments> lies = new ArrayList<>();
    headers(lies);
    metadata(lies);
    tensors(lies);
    return lies;
  }

  private static void headers(List<Arguments> lies) {
    lies.add(lie("G03 magic", "magic at offset 0: expected \"GGUF\"", new GgufBuilder().magic(7)));
    lies.add(lie("G03 old magic", "magic at offset 0", new GgufBuilder().magic(0x67676d6c)));
    for (int version : new int[] {0, 1, 4, 99, -1}) {
      lies.add(
          lie(
              "G03 version " + version,
              "version at offset 4: expected 2 or 3, found " + Integer.toUnsignedString(version),
              new GgufBuilder().version(version)));
    }
    lies.add(
        lie("G03 byte-swapped", "found a big-endian file", new GgufBuilder().version(3 << 24)));
    for (long n : ABSURD) {
      lies.add(
          lie("G04 n_tensors " + n, "n_tensors at offset 8", new GgufBuilder().extraTensors(n)));
      lies.add(lie("G04 n_kv " + n, "n_kv at offset 16", new GgufBuilder().extraPairs(n)));
    }
    lies.add(
        lie(
            "G04 one pair too many",
            "string length of name of tensor at offset",
            GgufBuilder.sample(1).extraPairs(1)));
    lies.add(
        lie("G04 one tensor too many", "name of tensor", GgufBuilder.sample(1).extraTensors(1)));
  }

  private static void metadata(List<Arguments> lies) {
    for (long n : ABSURD) {
      lies.add(
          lie(
              "G05 key length " + n,
              "string length of key at offset 24",
              new GgufBuilder().rawPair(new GgufBytes().u64(n).u64(0).u64(0))));
      lies.add(
          lie(
              "G05 string length " + n,
              "string length of k at offset 37",
              new GgufBuilder().pair("k", STRING, new GgufBytes().u64(n))));
      for (int type : new int[] {U8, U32, BOOL, STRING, ARRAY, 10}) {
        lies.add(
            lie(
                "G06 count " + n + " of type " + type,
                "k at offset 41",
                new GgufBuilder()
                    .pair("k", ARRAY, new GgufBytes().u32(type).u64(n).u64(0).u64(0))));
      }
    }
    GgufBytes deep = new GgufBytes();
    for (int i = 0; i < 10_000; i++) {
      deep.u32(ARRAY).u64(1);
    }
    lies.add(lie("G06 nested 10k deep", "nested at most 4 deep", builder("k", ARRAY, deep)));
    GgufBytes wide = new GgufBytes().u32(ARRAY).u64(200_000);
    for (int i = 0; i < 200_000; i++) {
      wide.u32(U8).u64(0);
    }
    lies.add(lie("G06 nested 200k wide", "12 MiB of heap", builder("k", ARRAY, wide)));
    lies.add(
        lie(
            "G06 strings without end",
            "12 MiB of heap",
            builder("k", ARRAY, new GgufBytes().u32(STRING).u64(4 << 20).raw(new byte[33 << 20]))));
    lies.add(
        lie(
            "G06 bools without end",
            "12 MiB of heap",
            builder("k", ARRAY, new GgufBytes().u32(BOOL).u64(13 << 20).raw(new byte[13 << 20]))));
    for (int type : new int[] {13, 255, -1}) {
      lies.add(lie("G07 type " + type, "type of key k at offset 33", builder("k", type, eight())));
      lies.add(
          lie(
              "G07 element type " + type,
              "element type of key k at offset 37",
              builder("k", ARRAY, new GgufBytes().u32(type).u64(1).u64(0))));
    }
    lies.add(
        lie(
            "G07 bool 2",
            "bool of key k at offset 37: expected 0 or 1, found 2",
            builder("k", BOOL, new GgufBytes().u8(2))));
    lies.add(
        lie(
            "G07 bool 2 in an array",
            "bool of key k at offset 50",
            builder("k", ARRAY, new GgufBytes().u32(BOOL).u64(2).u8(1).u8(2))));
    byte[] malformed = {'a', (byte) 0xc3, 'b'};
    lies.add(
        lie(
            "G07 value not UTF-8",
            "string of k at offset 37: expected UTF-8",
            builder("k", STRING, new GgufBytes().u64(3).raw(malformed))));
    lies.add(
        lie(
            "G07 key not UTF-8",
            "expected UTF-8",
            new GgufBuilder().rawPair(new GgufBytes().u64(3).raw(malformed).u32(U32).u32(1))));
    lies.add(lie("G07 NUL in a key", "found a NUL character", builder("a\0b", U32, eight())));
    lies.add(
        lie(
            "G08 duplicate key",
            "found \"k\" again",
            builder("k", U32, new GgufBytes().u32(1)).u32("k", 2)));
    lies.add(lie("G08 empty key", "found an empty string", builder("", U32, eight())));
    lies.add(
        lie(
            "G08 key of 10 MB",
            "at most 65535 bytes",
            builder("k".repeat(10 << 20), U32, eight())));
    for (long alignment : new long[] {0, 1, 3, 4, 33, 1L << 21, 1L << 31}) {
      lies.add(
          lie(
              "G09 alignment " + alignment,
              "general.alignment: expected a power of two",
              new GgufBuilder().u32("general.alignment", alignment)));
    }
    lies.add(
        lie(
            "G09 alignment of the wrong type",
            "found string",
            new GgufBuilder().string("general.alignment", "32")));
  }

  private static void tensors(List<Arguments> lies) {
    lies.add(
        lie(
            "G08 duplicate tensor",
            "found \"t\" again",
            new GgufBuilder()
                .tensor("t", GgmlType.F32, new Random(1), 8)
                .tensor("t", GgmlType.F32, new Random(1), 8)));
    lies.add(
        lie("G08 empty name", "found an empty string", new GgufBuilder().entry("", ROW, 0, 0)));
    lies.add(
        lie(
            "G08 name of 10 MB",
            "at most 1024 bytes",
            new GgufBuilder().entry("t".repeat(10 << 20), ROW, 0, 0)));
    for (long dims : new long[] {0, 5, 255, 0xffff_ffffL}) {
      GgufBytes entry = new GgufBytes().string("t").u32(dims).raw(new byte[64]);
      lies.add(
          lie(
              "G10 n_dims " + dims,
              "n_dims of tensor t at offset 33: expected 1 to 4, found " + dims,
              new GgufBuilder().rawEntry(entry)));
    }
    for (long n : new long[] {0, -1, Long.MIN_VALUE}) {
      lies.add(
          lie(
              "G11 ne " + n,
              "shape of tensor t at offset 37: expected positive extents",
              new GgufBuilder().entry("t", new long[] {256, n}, 0, 0)));
    }
    long[] overflow = {256, 1L << 40, 1L << 40};
    lies.add(
        lie(
            "G11 product overflows",
            "shape of tensor t at offset 37: expected fewer than 2^63 elements",
            new GgufBuilder().entry("t", overflow, 0, 0)));
    lies.add(
        lie(
            "G11 offset and size wrap",
            "data of tensor t",
            new GgufBuilder().entry("t", new long[] {256, 1L << 50}, 0, Long.MAX_VALUE & -32)));
    lies.add(
        lie(
            "G12 row no multiple of a block",
            "expected rows of a multiple of 32 weights for Q8_0, found (33)",
            new GgufBuilder().entry("t", new long[] {33}, GgmlType.Q8_0.id(), 0)));
    for (long type : new long[] {4, 5, 9, 15, 31, 32, 33, 36, 43, 255, 0xffff_ffffL}) {
      lies.add(
          lie(
              "G13 type " + type,
              "type of tensor t at offset 45: expected a known ggml type, found " + type,
              new GgufBuilder().entry("t", ROW, type, 0)));
    }
    for (long offset : new long[] {1, 31, -32, Long.MIN_VALUE, 32, 1L << 40, Long.MAX_VALUE - 31}) {
      lies.add(
          lie(
              "G14 offset " + offset,
              "tensor t",
              new GgufBuilder()
                  .tensor("first", GgmlType.F32, new Random(1), 8)
                  .entry("t", ROW, 0, offset)));
    }
    lies.add(
        lie(
            "G14 overlapping data",
            "found it overlapping",
            new GgufBuilder()
                .tensor("a", GgmlType.F32, new Random(1), 64)
                .tensor("b", GgmlType.F32, new Random(1), 64)
                .entry("c", new long[] {16}, 0, 32)));
    lies.add(
        lie(
            "G15 one byte short",
            "data of tensor output.weight",
            GgufBuilder.sample(1).missingBytes(1)));
  }

  private static GgufBytes eight() {
    return new GgufBytes().u64(1);
  }

  private static GgufBuilder builder(String key, int type, GgufBytes value) {
    return new GgufBuilder().pair(key, type, value);
  }

  @ParameterizedTest(name = "{0}")
  @FieldSource("LIES")
  void refusesEachLie(String name, String message, byte[] bytes) throws IOException {
    assertThat(refusal(file(bytes))).as(name).hasMessageContaining(message);
  }

  @ParameterizedTest
  @EnumSource(GgmlType.class)
  void refusesSizesThatOverflowForEveryType(GgmlType type) throws IOException {
    long[] tooManyBytes = {256, 1L << 27, 1L << 27};
    long[] tooManyElements = {256, 1L << 30, 1L << 30};
    for (long[] ne : List.of(tooManyBytes, tooManyElements)) {
      Path path = file(new GgufBuilder().entry("t", ne, type.id(), 0).build());
      assertThat(refusal(path)).hasMessageContaining("tensor t");
    }
  }

  @Test
  void refusesFilesTooShortForAHeader() throws IOException {
    byte[] whole = GgufBuilder.sample(1).build();
    for (int n = 0; n < 24; n++) {
      assertThat(refusal(file(Arrays.copyOf(whole, n))))
          .hasMessageContaining(
              "header at offset 0: expected at least 24 bytes, found a file of " + n);
    }
  }

  @Test
  void refusesTruncationAtEveryByteOfTheDirectoryAndEveryTensorBoundary() throws IOException {
    GgufBuilder builder = GgufBuilder.sample(1);
    byte[] whole = builder.build();
    List<Integer> cuts = new ArrayList<>();
    for (int n = 0; n <= builder.directory().length; n++) {
      cuts.add(n);
    }
    try (GgufFile gguf = GgufFile.open(file(whole))) {
      gguf.tensors().forEach(t -> cuts.add((int) t.offset()));
      gguf.tensors().forEach(t -> cuts.add((int) (t.offset() + t.byteSize()) - 1));
    }
    for (int n : cuts) {
      Path path = file(Arrays.copyOf(whole, n));
      assertThat(catchThrowable(() -> open(path)))
          .as("cut at %d", n)
          .isExactlyInstanceOf(GgufFormatException.class)
          .hasMessageContaining("expected")
          .hasMessageContaining("found");
    }
  }

  @Test
  void refusesTextEmptyAndForeignFiles() throws IOException {
    byte[] text = "# A text file, no model\n".repeat(100).getBytes(StandardCharsets.UTF_8);
    assertThat(refusal(file(text))).hasMessageContaining("magic at offset 0");
    assertThat(refusal(file(new byte[0]))).hasMessageContaining("found a file of 0");
    assertThat(refusal(file(new byte[1 << 20]))).hasMessageContaining("magic at offset 0");
  }

  static Stream<Arguments> seeds() {
    return new Random(20_261_123).longs(100).mapToObj(Arguments::of);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void refusesTruncationAtSeededPlaces(long seed) throws IOException {
    byte[] whole = GgufBuilder.sample(seed).build();
    Path path = file(Arrays.copyOf(whole, new Random(seed).nextInt(whole.length)));
    refusal(path);
  }

  @Test
  @Timeout(value = 10, unit = TimeUnit.SECONDS)
  void refusesWhatIsNoRegularFile() throws Exception {
    assertThat(refusal(folder)).hasMessageContaining("found a directory");
    assertThat(refusal(Path.of("/dev/zero"))).hasMessageContaining("found a special file");
    assertThat(refusal(folder.resolve("absent.gguf"))).hasMessageContaining("found none");
    Path fifo = folder.resolve("fifo.gguf");
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    assertThat(refusal(fifo)).hasMessageContaining("found a special file");
    Path dangling = Files.createSymbolicLink(folder.resolve("l.gguf"), Path.of("absent.gguf"));
    assertThat(refusal(dangling)).hasMessageContaining("found a link to nothing");
    Path zero = Files.createSymbolicLink(folder.resolve("z.gguf"), Path.of("/dev/zero"));
    assertThat(refusal(zero)).hasMessageContaining("found a special file");
    Path loop = Files.createSymbolicLink(folder.resolve("o.gguf"), Path.of("o.gguf"));
    refusal(loop);
  }

  @Test
  void bitFlipsLoadOrAreRefusedNothingElse() throws IOException {
    flipBits(1, 1000);
  }

  @Tag("slow")
  @Test
  void tenThousandBitFlipsLoadOrAreRefusedNothingElse() throws IOException {
    flipBits(2, 10_000);
  }

  private void flipBits(long seed, int times) throws IOException {
    byte[] whole = GgufBuilder.sample(1).build();
    int directory = GgufBuilder.sample(1).directory().length;
    Random random = new Random(seed);
    int refused = 0;
    for (int i = 0; i < times; i++) {
      byte[] bytes = whole.clone();
      int flips = 1 + random.nextInt(3);
      for (int f = 0; f < flips; f++) {
        bytes[random.nextInt(directory)] ^= (byte) (1 << random.nextInt(8));
      }
      Path path = file(bytes);
      try (GgufFile gguf = GgufFile.open(path)) {
        GgufTouch.everything(gguf);
      } catch (GgufFormatException e) {
        refused++;
      }
    }
    assertThat(refused).isBetween(times / 4, times);
  }
}
