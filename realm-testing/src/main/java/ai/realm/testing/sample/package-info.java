/// The embedded sample model and what llama.cpp computes with it.
@NullMarked
package ai.realm.testing.sample;

import org.jspecify.annotations.NullMarked;
