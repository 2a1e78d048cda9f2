//! Matrices that the host multiplies, and layers that a realm keeps in host memory.

use crate::{check, host, pointer, read, Result};

/// What the host's memory for layers holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerStats {
    pub bytes: i64,
    pub layers: i64,
    pub hits: i64,
    pub misses: i64,
    pub evictions: i64,
    pub capacity: i64,
}

/// `a (m, k) · b (k, n)`.
pub fn multiply(a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Result<Vec<f32>> {
    let mut to = vec![0.0; m * n];
    let (a_len, b_len) = (a.len() as i32, b.len() as i32);
    let (m, k, n) = (m as i32, k as i32, n as i32);
    let result = to.as_mut_ptr();
    check(unsafe { host::candle_matmul(a.as_ptr(), a_len, b.as_ptr(), b_len, m, k, n, result) })?;
    Ok(to)
}

/// `a (m, k) · b (n, k)` transposed.
pub fn multiply_transposed(a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Result<Vec<f32>> {
    let mut to = vec![0.0; m * n];
    let (a_len, b_len) = (a.len() as i32, b.len() as i32);
    let (m, k, n) = (m as i32, k as i32, n as i32);
    let result = to.as_mut_ptr();
    check(unsafe {
        host::candle_matmul_transposed(a.as_ptr(), a_len, b.as_ptr(), b_len, m, k, n, result)
    })?;
    Ok(to)
}

/// Keeps a layer under a name of the realm's own.
pub fn store_layer(model: &str, layer: i32, data: &[u8]) -> Result<()> {
    let (name, len) = (pointer(model), model.len() as i32);
    check(unsafe {
        host::memory64_store_layer(name, len, layer, data.as_ptr(), data.len() as i32)
    })
    .map(drop)
}

pub fn load_layer(model: &str, layer: i32) -> Result<Vec<u8>> {
    let (name, len) = (pointer(model), model.len() as i32);
    read(4096, |to, cap| unsafe { host::memory64_load_layer(name, len, layer, to, cap) })
}

pub fn layer_stats() -> Result<LayerStats> {
    let mut values = [0i64; 6];
    check(unsafe { host::memory64_get_cache_stats(values.as_mut_ptr().cast(), 48) })?;
    let [bytes, layers, hits, misses, evictions, capacity] = values;
    Ok(LayerStats { bytes, layers, hits, misses, evictions, capacity })
}
