/// GGUF files byte by byte: well-formed ones, and ones that lie in a single field.
@NullMarked
package ai.realm.testing.gguf;

import org.jspecify.annotations.NullMarked;
