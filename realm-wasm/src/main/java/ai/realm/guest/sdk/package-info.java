/// Guests for Realm in Java: the call's arguments and output, models, sequences, steps, constraints. These
/// classes run inside WebAssembly; `docs/guests.md` says how a guest is built of them and why only trusted
/// guests can be. Everything begins with a [ai.realm.guest.sdk.Call].
@NullMarked
package ai.realm.guest.sdk;

import org.jspecify.annotations.NullMarked;
