/// Architectures in the paper's order, and the pieces that they share.
@NullMarked
package ai.realm.model;

import org.jspecify.annotations.NullMarked;
