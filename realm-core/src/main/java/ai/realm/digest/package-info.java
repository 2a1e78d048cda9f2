/// SHA-256, for the modules of this repository.
@NullMarked
package ai.realm.digest;

import org.jspecify.annotations.NullMarked;
