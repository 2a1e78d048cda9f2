package ai.realm.cli;

import picocli.CommandLine.IVersionProvider;

/// Version of Realm and of the JVM beneath it.
final class Version implements IVersionProvider {
  @Override
  public String[] getVersion() {
    String version = Version.class.getPackage().getImplementationVersion();
    return new String[] {
      "realm " + (version == null ? "(from classes)" : version), "Java " + Runtime.version()
    };
  }
}
