// Matrices that the host multiplies, and layers that a realm keeps in host memory.

import { check, host } from "./index";

/// `a (m, k) · b (k, n)`.
export function multiply(a: StaticArray<f32>, b: StaticArray<f32>, m: i32, k: i32, n: i32): StaticArray<f32> {
  const to = new StaticArray<f32>(m * n);
  check(
    host.candle_matmul(
      changetype<usize>(a), a.length, changetype<usize>(b), b.length, m, k, n, changetype<usize>(to)));
  return to;
}

/// `a (m, k) · b (n, k)` transposed.
export function multiplyTransposed(
  a: StaticArray<f32>, b: StaticArray<f32>, m: i32, k: i32, n: i32): StaticArray<f32> {
  const to = new StaticArray<f32>(m * n);
  check(
    host.candle_matmul_transposed(
      changetype<usize>(a), a.length, changetype<usize>(b), b.length, m, k, n, changetype<usize>(to)));
  return to;
}

/// Keeps a layer under a name of the realm's own.
export function storeLayer(model: string, layer: i32, data: ArrayBuffer): void {
  const name = String.UTF8.encode(model);
  check(
    host.memory64_store_layer(
      changetype<usize>(name), name.byteLength, layer, changetype<usize>(data), data.byteLength));
}

export function loadLayer(model: string, layer: i32): ArrayBuffer {
  const name = String.UTF8.encode(model);
  const from = changetype<usize>(name);
  const data = new ArrayBuffer(check(host.memory64_load_layer(from, name.byteLength, layer, 0, 0)));
  check(host.memory64_load_layer(from, name.byteLength, layer, changetype<usize>(data), data.byteLength));
  return data;
}

/// What the host's memory for layers holds and did: bytes, layers, hits, misses, evictions, capacity.
export function layerStats(): StaticArray<i64> {
  const stats = new StaticArray<i64>(6);
  check(host.memory64_get_cache_stats(changetype<usize>(stats), 8 * stats.length));
  return stats;
}
