/// What work costs.
@NullMarked
package ai.realm.testing.time;

import org.jspecify.annotations.NullMarked;
