#include "llama.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#include <string>
// usage: run model.gguf n_ctx n_greedy out id id id ...
static void quiet(ggml_log_level l, const char*t, void*){ if(l==GGML_LOG_LEVEL_ERROR) fputs(t,stderr);}
int main(int argc,char**argv){
  llama_log_set(quiet,nullptr);
  llama_backend_init();
  auto mp=llama_model_default_params(); mp.use_mmap=false;
  llama_model*m=llama_model_load_from_file(argv[1],mp); if(!m){fprintf(stderr,"load failed\n");return 1;}
  auto cp=llama_context_default_params(); cp.n_ctx=atoi(argv[2]); cp.n_batch=cp.n_ubatch=512; cp.n_threads=cp.n_threads_batch=1; cp.type_k=GGML_TYPE_F32; cp.type_v=GGML_TYPE_F32; cp.flash_attn=false;
  bool emb=argv[4][0]=='-'; const char*out=argv[4]+(emb?1:0);
  cp.embeddings=emb;
  llama_context*c=llama_init_from_model(m,cp); if(!c) return 2;
  int nv=llama_vocab_n_tokens(llama_model_get_vocab(m)), ne=llama_model_n_embd(m);
  std::vector<llama_token> ids; for(int i=5;i<argc;i++) ids.push_back(atoi(argv[i]));
  FILE*f=fopen(out,"wb");
  llama_batch b=llama_batch_init(512,0,1); b.n_tokens=ids.size();
  for(size_t i=0;i<ids.size();i++){b.token[i]=ids[i];b.pos[i]=i;b.n_seq_id[i]=1;b.seq_id[i][0]=0;b.logits[i]=1;}
  if(llama_decode(c,b)){fprintf(stderr,"decode failed\n");return 3;}
  if(emb){ const float*e=llama_get_embeddings_seq(c,0); if(!e) e=llama_get_embeddings_ith(c,-1); fwrite(e,4,ne,f); fclose(f); return 0; }
  for(size_t i=ids.size()-2;i<ids.size();i++) fwrite(llama_get_logits_ith(c,i),4,nv,f);
  int pos=ids.size(); const float*l=llama_get_logits_ith(c,ids.size()-1);
  for(int g=0;g<atoi(argv[3]);g++){
    int best=0; for(int i=1;i<nv;i++) if(l[i]>l[best]) best=i; float second=-1e30; for(int i=0;i<nv;i++) if(i!=best&&l[i]>second) second=l[i];
    printf("%d %.6f\n",best,l[best]-second);
    b.n_tokens=1;b.token[0]=best;b.pos[0]=pos++;b.logits[0]=1; if(llama_decode(c,b)) return 4; l=llama_get_logits_ith(c,0);
  }
  fclose(f); return 0;
}
