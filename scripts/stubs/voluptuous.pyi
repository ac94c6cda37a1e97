# Home Assistant serves probatio under this name once it is imported, so its types are the ones that hold.
from probatio import *
