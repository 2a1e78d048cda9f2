/// Measurements: what something costs, beside what it is compared with, in one run.
@NullMarked
package ai.realm.bench;

import org.jspecify.annotations.NullMarked;
