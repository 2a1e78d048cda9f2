package ai.realm.compute.cpu;

import ai.realm.compute.BackendOptions;

/// Run by [VectorBackendTest] in a JVM on the class path without `--add-modules`.
final class WithoutVectorApi {
  private WithoutVectorApi() {}

  public static void main(String[] args) {
    VectorBackendProvider provider = new VectorBackendProvider();
    System.out.println(provider.unavailableReason());
    try {
      provider.open(BackendOptions.DEFAULT).close();
    } catch (IllegalStateException e) {
      System.out.println("threw ISE");
    }
  }
}
