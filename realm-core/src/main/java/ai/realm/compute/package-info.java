/// The SPI between architectures and backends: buffers, weights, KV storage, operations.
@NullMarked
package ai.realm.compute;

import org.jspecify.annotations.NullMarked;
