package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CpuShareTest {
  @TempDir Path root;

  @Test
  void takesWhatTheJvmSeesWhereTheSystemSaysNothing() {
    assertThat(new CpuShare(root, 6).count()).isEqualTo(6);
  }

  @Test
  void countsPhysicalCoresAmongTheAllowedCpus() throws IOException {
    write("proc/self/status", "Name:\tjava\nCpus_allowed_list:\t0-3,8-9\n");
    for (int cpu : new int[] {0, 1}) {
      write(siblings(cpu), "0-1\n");
    }
    for (int cpu : new int[] {2, 3}) {
      write(siblings(cpu), "2-3\n");
    }
    write(siblings(8), "8,24\n");
    write(siblings(9), "9,25\n");
    assertThat(new CpuShare(root, 6).count()).isEqualTo(4);
  }

  @Test
  void keepsBelowAQuotaOfCgroupV2AnywhereUpTheTree() throws IOException {
    write("proc/self/cgroup", "0::/pods/realm/inner\n");
    write("sys/fs/cgroup/pods/realm/inner/cpu.max", "max 100000\n");
    write("sys/fs/cgroup/pods/realm/cpu.max", "350000 100000\n");
    write("sys/fs/cgroup/pods/cpu.max", "800000 100000\n");
    assertThat(new CpuShare(root, 16).count()).isEqualTo(3);
  }

  @Test
  void keepsBelowAQuotaOfCgroupV1() throws IOException {
    write("proc/self/cgroup", "4:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n");
    write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    write("sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "200000\n");
    write("sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_period_us", "100000\n");
    assertThat(new CpuShare(root, 16).count()).isEqualTo(2);
  }

  @Test
  void aQuotaBelowOneCpuStillGetsAThread() throws IOException {
    write("proc/self/cgroup", "0::/\n");
    write("sys/fs/cgroup/cpu.max", "50000 100000\n");
    assertThat(new CpuShare(root, 16).count()).isEqualTo(1);
  }

  @Test
  void ignoresWhatItCannotRead() throws IOException {
    write("proc/self/cgroup", "nonsense\n0::/x/../../..\n");
    write("proc/self/status", "Cpus_allowed_list:\t99999999999-3,abc,-1,5-\n");
    write("sys/fs/cgroup/cpu.max", "-7 0\n");
    assertThat(new CpuShare(root, 5).count()).isEqualTo(5);
  }

  private static String siblings(int cpu) {
    return "sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list";
  }

  private void write(String path, String text) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }
}
