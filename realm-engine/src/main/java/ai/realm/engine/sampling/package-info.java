/// From logits to a token: samplers, their parameters and their order.
@NullMarked
package ai.realm.engine.sampling;

import org.jspecify.annotations.NullMarked;
