/// Constrained output: what may come next under a GBNF grammar, a JSON Schema or a regular expression.
@NullMarked
package ai.realm.engine.grammar;

import org.jspecify.annotations.NullMarked;
