/// Tensors as shape + type + memory, and the codecs of the ggml quant types.
@NullMarked
package ai.realm.tensor;

import org.jspecify.annotations.NullMarked;
