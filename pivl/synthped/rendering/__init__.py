"""From solids to a picture and its part map: raster, shading, scene, camera.

Door: pivl.synthped.rendering.picture.render_pictures.
Example: `render_people(people, skeletons, camera)`
"""
