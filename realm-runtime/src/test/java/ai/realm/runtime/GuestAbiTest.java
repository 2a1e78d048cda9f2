package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the host offers, what the page says and what the C header declares are one thing.
final class GuestAbiTest {
  private static final Pattern DECLARED =
      Pattern.compile("REALM_IMPORT\\((\\w+)\\)\\(([^;]*)\\);", Pattern.DOTALL);
  private static final Pattern DOCUMENTED = Pattern.compile("`(\\w+) ?\\(([^)`]*)\\)`");

  @Test
  void headerDeclaresEveryHostFunction(@TempDir Path folder) throws IOException {
    Map<String, Integer> declared = new TreeMap<>();
    Matcher m = DECLARED.matcher(header());
    while (m.find()) {
      declared.put(m.group(1), parameters(m.group(2)));
    }
    assertThat(declared).isEqualTo(offered(folder));
  }

  @Test
  void pageDescribesEveryHostFunction(@TempDir Path folder) throws IOException {
    Map<String, Integer> documented = new TreeMap<>();
    Matcher m = DOCUMENTED.matcher(read("docs/guest-abi.md"));
    while (m.find()) {
      documented.put(m.group(1), parameters(m.group(2)));
    }
    // Two functions share one signature on the page.
    documented.put("candle_matmul", documented.getOrDefault("candle_matmul_transposed", -1));
    assertThat(documented).containsAllEntriesOf(offered(folder));
  }

  @Test
  void pageNamesParametersAndPointersAsRecordingsDo(@TempDir Path folder) throws IOException {
    Map<String, List<String>> page = new TreeMap<>();
    Matcher m = DOCUMENTED.matcher(read("docs/guest-abi.md"));
    while (m.find()) {
      page.put(m.group(1), Arrays.stream(m.group(2).split(",")).map(String::trim).toList());
    }
    page.put("candle_matmul", page.getOrDefault("candle_matmul_transposed", List.of()));
    for (Map.Entry<String, Integer> function : offered(folder).entrySet()) {
      String name = function.getKey();
      List<HostParameters.Parameter> table = HostParameters.of(name).list();
      assertThat(table).as(name).hasSize(function.getValue());
      for (int i = 0; i < table.size(); i++) {
        assertThat(table.get(i).name()).as(name).isEqualTo(page.get(name).get(i));
        assertThat(table.get(i).isPointer())
            .as(name)
            .isEqualTo(table.get(i).name().endsWith("ptr"));
      }
    }
  }

  @Test
  void headerAndPageLayOutTheSameStep() throws IOException {
    String header = header();
    String body =
        header.substring(header.indexOf("typedef struct {"), header.indexOf("} realm_step;"));
    List<String> fields = new ArrayList<>();
    Matcher m = Pattern.compile("^  (?:u?int32_t|float) (\\w+);", Pattern.MULTILINE).matcher(body);
    while (m.find()) {
      fields.add(m.group(1));
    }
    assertThat(fields).hasSize(StepRow.BYTES / 4);
    Map<Integer, String> page = new LinkedHashMap<>();
    m =
        Pattern.compile("^\\| (\\d+) \\| `(\\w+)`", Pattern.MULTILINE)
            .matcher(read("docs/guest-abi.md"));
    while (m.find()) {
      page.put(Integer.valueOf(m.group(1)), m.group(2).replace("_ptr", ""));
    }
    for (int i = 0; i < fields.size(); i++) {
      assertThat(page.get(4 * i)).as("field at %d", 4 * i).isEqualTo(fields.get(i));
      assertThat(StepFields.name(i).replace("_ptr", "")).isEqualTo(fields.get(i));
    }
  }

  @Test
  void headerNumbersErrorsAsTheHostDoes() throws IOException {
    Map<String, Integer> errors = new TreeMap<>();
    Matcher m = Pattern.compile("REALM_(E[A-Z]+) = (-\\d+)").matcher(header());
    while (m.find()) {
      errors.put(m.group(1), Integer.valueOf(m.group(2)));
    }
    assertThat(errors)
        .containsExactlyInAnyOrderEntriesOf(
            Map.of(
                "ENOENT", Errno.ENOENT,
                "EBADF", Errno.EBADF,
                "EAGAIN", Errno.EAGAIN,
                "EBUSY", Errno.EBUSY,
                "EINVAL", Errno.EINVAL,
                "EMSGSIZE", Errno.EMSGSIZE,
                "EDQUOT", Errno.EDQUOT,
                "ECANCELED", Errno.ECANCELED));
    assertThat(header()).contains("REALM_ABI_VERSION " + HostFunctions.ABI_VERSION);
  }

  private static int parameters(String list) {
    String trimmed = list.trim();
    return trimmed.isEmpty() || trimmed.equals("void") ? 0 : trimmed.split(",", -1).length;
  }

  private static String header() throws IOException {
    return read("guests/c/realm_host.h");
  }

  private static String read(String path) throws IOException {
    return Files.readString(SampleModel.repositoryRoot().resolve(path));
  }

  private static Map<String, Integer> offered(Path folder) {
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        Memory64Manager memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
        ModelCatalog models =
            new ModelCatalog(RuntimeConfig.of("sample", SampleModel.path(), backend));
        Realm realm =
            new Realm(
                new TenantId("a"),
                ResourceLimits.unbounded(GuestLimits.DEFAULT),
                models,
                memory64,
                GuestTools.NONE);
        GuestState state = new GuestState(realm)) {
      Map<String, Integer> offered = new TreeMap<>();
      for (HostFunction f : new HostFunctions(state).all()) {
        offered.put(f.name(), f.parameters());
      }
      return offered;
    }
  }
}
