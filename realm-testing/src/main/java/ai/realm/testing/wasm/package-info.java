/// WebAssembly modules made by hand, for guests that do exactly what a test needs.
@NullMarked
package ai.realm.testing.wasm;

import org.jspecify.annotations.NullMarked;
