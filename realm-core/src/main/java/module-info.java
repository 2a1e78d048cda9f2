/// GGUF files, tensors and quant types, tokenizers, chat templates, and the compute SPI.
module ai.realm.core {
  requires static transitive org.jspecify;

  exports ai.realm.compute;
  exports ai.realm.digest to
      ai.realm.compute.cpu,
      ai.realm.runtime;
  exports ai.realm.error;
  exports ai.realm.gguf;
  exports ai.realm.quantize;
  exports ai.realm.template;
  exports ai.realm.tensor;
  exports ai.realm.tokenizer;

  uses ai.realm.compute.BackendProvider;
}
