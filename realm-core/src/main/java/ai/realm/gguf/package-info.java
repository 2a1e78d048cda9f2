/// GGUF model files: the reader, typed metadata, tensor directory, and the writer.
@NullMarked
package ai.realm.gguf;

import org.jspecify.annotations.NullMarked;
