/// The CPU backends: naive, vector, native.
@NullMarked
package ai.realm.compute.cpu;

import org.jspecify.annotations.NullMarked;
