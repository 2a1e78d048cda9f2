/// Sequences, scheduler, KV blocks and sampling.
@NullMarked
package ai.realm.engine;

import org.jspecify.annotations.NullMarked;
