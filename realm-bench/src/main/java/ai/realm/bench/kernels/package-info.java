/// JMH benchmarks of kernels. JMH fills the fields, so nothing here says what may be null.
@NullUnmarked
package ai.realm.bench.kernels;

import org.jspecify.annotations.NullUnmarked;
