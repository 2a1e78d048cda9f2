/// The default guest. These classes run inside WebAssembly: TeaVM compiles them, and of the class
/// library they use next to nothing, so that the guest stays small and quick to start.
@NullMarked
package ai.realm.guest;

import org.jspecify.annotations.NullMarked;
