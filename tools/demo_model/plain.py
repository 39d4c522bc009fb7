"""llama_cpp without repacked weights: their AMX kernels crash on machines that announce AMX but do not run it."""
import llama_cpp

_defaults = llama_cpp.llama_cpp.llama_model_default_params


def _params():
    p = _defaults()
    p.use_extra_bufts = False
    return p


llama_cpp.llama_cpp.llama_model_default_params = _params  # the class Llama has no argument for it
