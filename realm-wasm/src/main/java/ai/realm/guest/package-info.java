/// The default guest and what it stands on: [ai.realm.guest.Host] and [ai.realm.guest.Arena], which other
/// guests in Java use too (`ai.realm.guest.sdk`). These classes run inside WebAssembly: TeaVM compiles
/// them, and of the class library the default guest uses next to nothing, so that it stays small and quick
/// to start.
@NullMarked
package ai.realm.guest;

import org.jspecify.annotations.NullMarked;
