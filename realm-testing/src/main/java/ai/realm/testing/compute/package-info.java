/// The contract that every backend passes.
@NullMarked
package ai.realm.testing.compute;

import org.jspecify.annotations.NullMarked;
