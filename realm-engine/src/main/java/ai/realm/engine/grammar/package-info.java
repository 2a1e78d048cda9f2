/// Constrained output: GBNF grammars, JSON Schemas and regular expressions as masks over a vocabulary.
@NullMarked
package ai.realm.engine.grammar;

import org.jspecify.annotations.NullMarked;
