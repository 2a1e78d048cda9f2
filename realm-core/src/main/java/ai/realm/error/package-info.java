/// Errors by phase; each names its place, what was expected and what was found.
@NullMarked
package ai.realm.error;

import org.jspecify.annotations.NullMarked;
