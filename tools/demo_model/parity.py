"""Does llama.cpp tokenise and predict like the PyTorch model?
   train venv:  python parity.py dump mini.pt      llama venv:  python parity.py check ticket-mini-f16.gguf ..."""
import sys
import numpy as np
TXT = "<|im_start|>user\nHello there, classify this ticket. 12345 Zo\u00eb \u4f60\u597d don't x_y __ \n\n  a"
if sys.argv[1] == "dump":
    import torch
    import bpe
    from model import Config, Llama
    ck = torch.load(sys.argv[2])
    m = Llama(Config(**ck["cfg"]))
    m.load_state_dict(ck["model"])
    ids = [1] + bpe.Tok.load("tokenizer.json").encode(TXT[len("<|im_start|>"):])
    with torch.no_grad():
        np.savez("parity.npz", ids=np.array(ids), lo=torch.log_softmax(m(torch.tensor([ids]))[0], -1).numpy())
else:
    from plain import llama_cpp
    z = np.load("parity.npz")
    ref_ids, ref = z["ids"].tolist(), z["lo"]
    for f in sys.argv[2:]:
        L = llama_cpp.Llama(f, n_ctx=256, verbose=False, logits_all=True, n_threads=1)
        ids = L.tokenize(TXT.encode(), add_bos=False, special=True)
        L.eval(ref_ids)
        lo = np.array(L.scores[:len(ref_ids)])
        lo = lo - np.log(np.exp(lo).sum(-1, keepdims=True))
        print(f, "tokens equal:", ids == ref_ids, "max |dlogp| where p>1e-4: %.4f" % np.abs(lo - ref)[np.exp(ref) > 1e-4].max(), "argmax agree: %.3f" % (lo.argmax(-1) == ref.argmax(-1)).mean())
