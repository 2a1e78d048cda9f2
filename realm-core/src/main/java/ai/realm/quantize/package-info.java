/// Making model files smaller: which tensor gets which type, importance matrices, and the work itself.
@NullMarked
package ai.realm.quantize;

import org.jspecify.annotations.NullMarked;
