/// The default guest as the host sees it.
@NullMarked
package ai.realm.wasm;

import org.jspecify.annotations.NullMarked;
