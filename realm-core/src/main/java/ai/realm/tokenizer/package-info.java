/// Text to token ids and back.
@NullMarked
package ai.realm.tokenizer;

import org.jspecify.annotations.NullMarked;
