package ai.realm.runtime;

import java.nio.file.Path;

/// A host with a worker's folder, in a process of its own: says where it is, tells how many it has swept where it
/// is asked to, and lives until its input ends.
final class WorkerFolderHost {
  private WorkerFolderHost() {}

  public static void main(String[] arguments) throws Exception {
    WorkerFolder folder = WorkerFolder.create(Path.of(arguments[0]));
    System.out.println(folder.path());
    if (arguments.length > 1) {
      System.out.println(folder.sweepBeside());
      folder.close();
      return;
    }
    while (System.in.read() >= 0) {
      // Nobody says anything.
    }
  }
}
