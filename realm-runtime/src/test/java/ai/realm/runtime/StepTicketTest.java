package ai.realm.runtime;

import static ai.realm.runtime.CallerRealms.IDS;
import static ai.realm.runtime.CallerRealms.PROMPT_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import java.time.Duration;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// `step_submit` and `step_wait`: until its ticket was waited for, a sequence is the ticket's.
@Timeout(120)
final class StepTicketTest extends SampleFixture {
  private static final ResourceLimits FREE = ResourceLimits.unbounded(GuestLimits.DEFAULT);

  @AutoClose private final CallerRealms realms = new CallerRealms(backend);

  private static int submit(CallerRealms.Tenant tenant, int flags) {
    tenant.guest.request(0, tenant.kv, IDS, PROMPT_TOKENS, flags);
    int ticket = tenant.guest.call("step_submit", HostCaller.REQUEST, 1);
    assertThat(ticket).isPositive();
    return ticket;
  }

  /// Waits in short looks, as a guest does that has other things to do.
  private static CallResult await(HostCaller guest, int ticket) {
    CallResult result;
    do {
      result = guest.result("step_wait", ticket, 1);
    } while (result.value() == Errno.EAGAIN);
    return result;
  }

  private int firstToken() {
    CallerRealms.Tenant reference = realms.tenant("reference", FREE);
    return reference.guest.greedy(reference.kv, IDS, PROMPT_TOKENS, 1)[0];
  }

  @Test
  void aTicketWritesWhatAStepWouldAndOnce() {
    int first = firstToken();
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    int ticket = submit(tenant, HostCaller.EMIT);
    CallResult waited = await(guest, ticket);
    assertThat(waited.value()).isZero();
    assertThat(waited.text()).isEqualTo("The");
    assertThat(waited.newTokens()).isEqualTo(1);
    assertThat(guest.peek(HostCaller.OUT)).isEqualTo(first);
    CallResult again = guest.result("step_wait", ticket, 1);
    assertThat(again.value()).isEqualTo(Errno.EBADF);
    assertThat(again.text()).isEmpty();
    assertThat(tenant.usage().newTokens()).isEqualTo(1);
    assertThat(tenant.usage().steps()).isEqualTo(1);
  }

  @Test
  void untilItsTicketWasWaitedForASequenceIsBusy() throws Exception {
    int first = firstToken();
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    int ticket = submit(tenant, HostCaller.LOGITS);
    realms.awaitIdle();
    assertThat(guest.step(tenant.kv, IDS, 1, 0)).isEqualTo(Errno.EBUSY);
    assertThat(guest.call("step_submit", HostCaller.REQUEST, 1)).isEqualTo(Errno.EBUSY);
    assertThat(guest.call("kv_fork", tenant.kv)).isEqualTo(Errno.EBUSY);
    assertThat(guest.call("kv_truncate", tenant.kv, 0)).isEqualTo(Errno.EBUSY);
    assertThat(guest.call("kv_free", tenant.kv)).isEqualTo(Errno.EBUSY);
    assertThat(guest.call("logits_read", tenant.kv, 0, 65_536, 16)).isEqualTo(Errno.EBUSY);
    assertThat(await(guest, ticket).value()).isZero();
    assertThat(guest.peek(HostCaller.OUT)).isEqualTo(first);
    assertThat(tenant.usage().newTokens()).isEqualTo(1);
    assertThat(guest.call("logits_read", tenant.kv, 0, 65_536, 16)).isPositive();
    assertThat(guest.step(tenant.kv, HostCaller.OUT, 1, 0)).isZero();
    assertThat(guest.call("kv_free", tenant.kv)).isZero();
  }

  @Test
  void aStepThatIsRefusedHarmsNoTicket() {
    int first = firstToken();
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    int ticket = submit(tenant, 0);
    int other = guest.call("kv_new", tenant.model);
    // The first row is prepared, the second has the ticket's sequence.
    guest.request(0, other, IDS, PROMPT_TOKENS, 0);
    guest.request(1, tenant.kv, IDS, 1, 0);
    assertThat(guest.call("step", HostCaller.REQUEST, 2)).isEqualTo(Errno.EBUSY);
    assertThat(guest.call("step_submit", HostCaller.REQUEST, 2)).isEqualTo(Errno.EBUSY);
    assertThat(await(guest, ticket).value()).isZero();
    assertThat(guest.peek(HostCaller.OUT)).isEqualTo(first);
    assertThat(guest.greedy(other, IDS, PROMPT_TOKENS, 1)).containsExactly(first);
  }

  @Test
  void ticketsOfSeveralSequencesAreWaitedForInAnyOrder() {
    int first = firstToken();
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    int[] tickets = new int[3];
    for (int i = 0; i < tickets.length; i++) {
      guest.request(i, guest.call("kv_new", tenant.model), IDS, PROMPT_TOKENS, 0);
      tickets[i] = guest.call("step_submit", HostCaller.REQUEST + StepRow.BYTES * i, 1);
    }
    for (int i : new int[] {2, 0, 1}) {
      assertThat(await(guest, tickets[i]).value()).isZero();
      assertThat(guest.peek(HostCaller.OUT + 4096 * i)).isEqualTo(first);
    }
  }

  @Test
  void withoutPlaceForATicketNothingIsSubmitted() {
    GuestLimits two =
        new GuestLimits(
            1 << 20, Duration.ofMinutes(1), Duration.ofMinutes(1), 1 << 20, 2, 1 << 18, 0);
    CallerRealms.Tenant tenant = realms.tenant("a", ResourceLimits.unbounded(two));
    tenant.guest.request(0, tenant.kv, IDS, PROMPT_TOKENS, 0);
    assertThatThrownBy(() -> tenant.guest.call("step_submit", HostCaller.REQUEST, 1))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("HANDLE_LIMIT"));
    assertThat(tenant.usage().steps()).isZero();
    assertThat(tenant.guest.step(tenant.kv, IDS, PROMPT_TOKENS, 0)).isZero();
  }

  @Test
  void aStepThatFailsIsTheWaitersErrorAndGivesItsTokenBack() {
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().newTokensPerMinute(5).build());
    HostCaller guest = tenant.guest;
    tenant.guest.request(0, tenant.kv, IDS, PROMPT_TOKENS, 0);
    // A mask that allows nothing.
    guest.poke(HostCaller.REQUEST + 24, 200_000);
    int ticket = guest.call("step_submit", HostCaller.REQUEST, 1);
    assertThat(tenant.usage().newTokens()).isEqualTo(1);
    assertThatThrownBy(() -> await(guest, ticket))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("SAMPLING_FAILED"));
    assertThat(tenant.usage().newTokens()).isZero();
    assertThat(tenant.usage().promptTokens()).isEqualTo(PROMPT_TOKENS);
    assertThat(tenant.usage().failed()).isEqualTo(1);
    assertThat(tenant.realm.quota().rates().newTokensLeft()).isEqualTo(5);
    // The instance is gone, and so is the ticket.
    assertThat(guest.call("step_wait", ticket, 1)).isEqualTo(Errno.EBADF);
  }
}
