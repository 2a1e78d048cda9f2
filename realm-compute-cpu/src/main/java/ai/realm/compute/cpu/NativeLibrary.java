package ai.realm.compute.cpu;

import ai.realm.digest.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.NoSuchElementException;
import java.util.Set;

/// The native kernels as found on this machine: loaded, or why not.
///
/// The library is a resource of this module, `META-INF/native/<os>-<arch>/librealm.so`. It is written
/// to a folder that only this user can write, under the name of its hash, and taken from there the
/// next time if its bytes are still the same.
sealed interface NativeLibrary {
  /// The library is loaded and has at least one variant for this CPU.
  ///
  /// @param symbols its functions
  /// @param variants what can run here, best first
  /// @param tiles whether the tile registers (AMX) can be used
  record Loaded(SymbolLookup symbols, List<NativeVariant> variants, boolean tiles)
      implements NativeLibrary {
    public Loaded {
      variants = List.copyOf(variants);
    }

    /// The kernels of the best variant.
    NativeKernels kernels() {
      return NativeKernels.bind(symbols, variants.getFirst(), tiles);
    }
  }

  /// There is no library for this machine.
  ///
  /// @param reason a sentence for the user
  record Missing(String reason) implements NativeLibrary {}

  /// A library file to take in place of the one in the jar, such as one with sanitizers.
  String LIBRARY_PROPERTY = "realm.native.library";

  /// Where the library is written; by default `~/.cache/realm/native`.
  String FOLDER_PROPERTY = "realm.native.dir";

  /// Loads the library for this machine. Never throws for what this machine lacks.
  static NativeLibrary load() {
    String architecture =
        switch (System.getProperty("os.arch").toLowerCase(Locale.ROOT)) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> System.getProperty("os.arch");
        };
    String name = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String os = name.startsWith("mac") ? "macos" : name.startsWith("linux") ? "linux" : name;
    String platform = os + "-" + architecture;
    try {
      Path file = library(platform);
      return link(SymbolLookup.libraryLookup(file, Arena.ofAuto()), architecture);
    } catch (NoSuchLibraryException e) {
      return new Missing(e.getMessage());
    } catch (IOException
        | IllegalArgumentException
        | IllegalCallerException
        | NoSuchElementException
        | LinkageError e) {
      return new Missing("the native library of %s does not load: %s".formatted(platform, e));
    }
  }

  private static NativeLibrary link(SymbolLookup symbols, String architecture) {
    long bits;
    try {
      bits =
          (long)
              Linker.nativeLinker()
                  .downcallHandle(
                      symbols.findOrThrow("realm_cpu_variants"),
                      FunctionDescriptor.of(ValueLayout.JAVA_LONG))
                  .invokeExact();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) {
      throw new LinkageError("realm_cpu_variants", t);
    }
    List<NativeVariant> variants = new ArrayList<>();
    for (NativeVariant variant : NativeVariant.of(architecture)) {
      // An old compiler may have left out a variant.
      if ((bits & variant.bit()) != 0
          && symbols.find("realm_" + variant.symbol() + "_add").isPresent()) {
        variants.add(variant);
      }
    }
    if (variants.isEmpty()) {
      return new Missing(
          "this CPU has none of the instruction sets that the native library was built for");
    }
    boolean tiles =
        (bits & NativeVariant.TILES_BIT) != 0
            && symbols.find("realm_avx512vnni_mul_tiles").isPresent();
    Loaded loaded = new Loaded(symbols, variants, tiles);
    // A library of another version fails here, with the name of what it lacks.
    loaded.kernels();
    return loaded;
  }

  private static Path library(String platform) throws IOException, NoSuchLibraryException {
    String given = System.getProperty(LIBRARY_PROPERTY);
    if (given != null) {
      return Path.of(given).toAbsolutePath();
    }
    byte[] bytes;
    try (InputStream in =
        NativeLibrary.class.getResourceAsStream("/META-INF/native/" + platform + "/librealm.so")) {
      if (in == null) {
        throw new NoSuchLibraryException(
            "this build has no native library for "
                + platform
                + " (no C compiler when it was made)");
      }
      bytes = in.readAllBytes();
    }
    String hash = Sha256.hex(bytes).substring(0, 32);
    Path folder = privateFolder();
    Path file = folder.resolve("librealm-" + hash + ".so");
    if (Files.isRegularFile(file) && Arrays.equals(Files.readAllBytes(file), bytes)) {
      return file;
    }
    Path fresh = Files.createTempFile(folder, "librealm-", ".new");
    try {
      Files.write(fresh, bytes, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(fresh);
    }
    return file;
  }

  /// A folder that belongs to this user and that nobody else can write to; a new temporary one where
  /// the usual one is not like that.
  private static Path privateFolder() throws IOException {
    Set<PosixFilePermission> mine = PosixFilePermissions.fromString("rwx------");
    String given = System.getProperty(FOLDER_PROPERTY);
    String cache = System.getenv("XDG_CACHE_HOME");
    Path base =
        cache == null || cache.isEmpty()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(cache);
    Path folder = given == null ? base.resolve("realm").resolve("native") : Path.of(given);
    try {
      Files.createDirectories(folder.toAbsolutePath().getParent());
      if (!Files.isDirectory(folder)) {
        Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(mine));
      }
      Set<PosixFilePermission> others = EnumSet.copyOf(Files.getPosixFilePermissions(folder));
      others.retainAll(Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE));
      boolean own =
          Files.getOwner(folder).getName().equals(System.getProperty("user.name"))
              && others.isEmpty();
      if (own && Files.isWritable(folder)) {
        return folder.toAbsolutePath();
      }
    } catch (IOException e) {
      // A read-only home: what follows says more if it fails too.
      return temporaryFolder(mine, e);
    }
    return temporaryFolder(mine, null);
  }

  private static Path temporaryFolder(
      Set<PosixFilePermission> mine, @org.jspecify.annotations.Nullable IOException earlier)
      throws IOException {
    try {
      return Files.createTempDirectory("realm-native-", PosixFilePermissions.asFileAttribute(mine));
    } catch (IOException e) {
      if (earlier != null) {
        e.addSuppressed(earlier);
      }
      throw e;
    }
  }

  /// There is no library for this platform in this build.
  final class NoSuchLibraryException extends Exception {
    private static final long serialVersionUID = 1;

    NoSuchLibraryException(String message) {
      super(message);
    }

    @Override
    public String getMessage() {
      return String.valueOf(super.getMessage());
    }
  }
}
